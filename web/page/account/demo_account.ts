/** The server's demo account, whose money is not real. */
export interface DemoAccount {
  readonly id: string
  readonly password: string
}

/** The server fills it into the page as `name/password`; nothing if it has none. */
const content = document.querySelector<HTMLMetaElement>('meta[name="pricewire-demo"]')?.content ?? ''
const [id = '', password = ''] = content.split('/')

/** The server's demo account; undefined if it has none. */
export const DEMO: DemoAccount | undefined = id === '' ? undefined : { id, password }
