const PATHS = {
  brand: 'M3 9h3l1.5-4.5L10 12l2-5.5 1 2.5h2.5',
  search: 'm10.5 10.5 3.5 3.5M11.5 7a4.5 4.5 0 1 1-9 0 4.5 4.5 0 0 1 9 0Z',
  candles: 'M5 2v3m0 6v3M3 5h4v6H3zM12 1v4m0 4v4M10 5h4v4h-4z',
  line: 'm1.5 12 4-5 3 3 6-7',
  sun: 'M8 1v1.5M8 13.5V15M1 8h1.5M13.5 8H15M3 3l1 1M12 12l1 1M13 3l-1 1M4 12l-1 1M11 8a3 3 0 1 1-6 0 3 3 0 0 1 6 0Z',
  moon: 'M13.5 9.5A6 6 0 0 1 6.5 2.5a6 6 0 1 0 7 7Z',
  wire: 'm5 4-4 4 4 4M11 4l4 4-4 4M9.5 2.5l-3 11',
  close: 'm4 4 8 8M12 4l-8 8',
  list: 'M2 4h12M2 8h12M2 12h12',
  trade: 'M4.5 13V3m0 0L2 5.5M4.5 3 7 5.5M11.5 3v10m0 0L9 10.5m2.5 2.5 2.5-2.5',
  exit: 'M6.5 2.5h-4v11h4M6 8h8.5m0 0-3-3m3 3-3 3',
  case: 'M2 5.5h12v8H2zM5.5 5.5v-3h5v3M2 9h12',
} as const

/** An icon of 16 by 16 units in the colour of the text. Hidden from screen readers: the button around it has a name. */
export function Icon({ name }: { name: keyof typeof PATHS }) {
  return (
    <svg className="icon" viewBox="0 0 16 16" aria-hidden="true">
      <path d={PATHS[name]} />
    </svg>
  )
}

/** A triangle that points up or down, so that the direction is not shown by colour alone. */
export function Arrow({ direction }: { direction: 'up' | 'down' }) {
  return (
    <svg className="arrow" viewBox="0 0 10 10" aria-hidden="true">
      <path d={direction === 'up' ? 'M5 1.5 9.5 9h-9z' : 'M5 8.5.5 1h9z'} />
    </svg>
  )
}
