const PATHS = {
  brand: 'M3 9h3l1.5-4.5L10 12l2-5.5 1 2.5h2.5',
  search: 'm10.5 10.5 3.5 3.5M11.5 7a4.5 4.5 0 1 1-9 0 4.5 4.5 0 0 1 9 0Z',
  candles: 'M5 2v3m0 6v3M3 5h4v6H3zM12 1v4m0 4v4M10 5h4v4h-4z',
  bars: 'M5 2v11M2.5 5H5m0 5h2.5M11 4v9M8.5 6.5H11m0 4h2.5',
  area: 'm1.5 12 4-5 3 3 6-7',
  enlarge: 'M2.5 6V2.5H6M10 2.5h3.5V6M13.5 10v3.5H10M6 13.5H2.5V10',
  settings: 'M2 4.5h6m4 0h2M2 11.5h2m4 0h6M10 2.5a2 2 0 1 1 0 4 2 2 0 0 1 0-4ZM6 9.5a2 2 0 1 1 0 4 2 2 0 0 1 0-4Z',
  wire: 'm5 4-4 4 4 4M11 4l4 4-4 4M9.5 2.5l-3 11',
  star: 'm8 1.8 1.9 4 4.3.6-3.1 3 .8 4.3L8 11.6l-3.9 2.1.8-4.3-3.1-3 4.3-.6z',
  close: 'm4 4 8 8M12 4l-8 8',
  share: 'M6.6 9.4 9.4 6.6M7.5 4.5l1-1a2.8 2.8 0 0 1 4 4l-1 1M8.5 11.5l-1 1a2.8 2.8 0 0 1-4-4l1-1',
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
