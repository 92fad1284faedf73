/** How much text of one response is kept, in UTF-16 units: `XMLHttpRequest` keeps all of it, so a stream begins anew after so much. */
const MOST_KEPT = 4 * 1024 * 1024

/**
 * A `fetch` over `XMLHttpRequest`, whose response streams: for engines whose own `fetch` does not, such as React Native's.
 *
 * The body brings text instead of bytes. After 4 Mi characters of it the body fails, because `XMLHttpRequest` keeps what has come; at the end of
 * an event, so that a stream resumes without a gap.
 *
 * @throws TypeError if there is no response, as `fetch` does.
 *
 * Source: WHATWG XMLHttpRequest; WHATWG Fetch, section 5.6 "Fetch method".
 */
export function xhrFetch(input: RequestInfo | URL, init: RequestInit = {}): Promise<Response> {
  const { method = 'GET', headers, body = null, credentials, cache, signal } = init
  const request = new XMLHttpRequest()
  let position = 0
  let failure: Error | undefined
  let wake = () => {}

  const read = async (): Promise<{ done: boolean; value?: string }> => {
    for (;;) {
      // Before the text: React Native puts the error's message in its place.
      if (failure !== undefined) throw failure
      const value = request.responseText.slice(position)
      if (value !== '') {
        position += value.length
        if (position > MOST_KEPT && value.endsWith('\n\n')) fail(new Error('XMLHttpRequest has kept 4 Mi characters'))
        return { done: false, value }
      }
      if (request.readyState === request.DONE) return { done: true }
      await new Promise<void>((resolve) => {
        wake = resolve
      })
    }
  }
  const text = async () => {
    let all = ''
    for (let part = await read(); !part.done; part = await read()) all += part.value
    return all
  }
  const fail = (error: Error) => {
    failure ??= error
    request.abort()
    wake()
  }

  return new Promise((resolve, reject) => {
    request.open(method, String(input))
    request.withCredentials = credentials === 'include'
    // An event stream is UTF-8, whatever its type says. React Native does not have the method.
    request.overrideMimeType?.('text/plain; charset=utf-8')
    new Headers(headers).forEach((value, name) => {
      request.setRequestHeader(name, value)
    })
    if (cache === 'no-store') request.setRequestHeader('Cache-Control', 'no-cache')
    request.onreadystatechange = () => {
      if (request.readyState === request.HEADERS_RECEIVED) resolve(responseOf(request, read, text))
      wake()
    }
    request.onprogress = () => wake()
    request.onerror = request.ontimeout = () => {
      const error = new TypeError('the network request failed')
      reject(error)
      fail(error)
    }
    const abort = () => {
      const error = Object.assign(new Error('the request was aborted'), { name: 'AbortError' })
      reject(error)
      fail(error)
    }
    if (signal?.aborted) {
      abort()
      return
    }
    signal?.addEventListener('abort', abort)
    request.send(body as XMLHttpRequestBodyInit | null)
  })
}

/** Returns as much of a `Response` as this package uses. */
function responseOf(request: XMLHttpRequest, read: () => Promise<unknown>, text: () => Promise<string>): Response {
  const lines = (request.getAllResponseHeaders() ?? '').split(/[\r\n]+/).filter((line) => line !== '')
  const pairs = lines.map((line): [string, string] => {
    const [name = '', ...value] = line.split(':')
    return [name, value.join(':').trim()]
  })
  const { status } = request
  return {
    status,
    ok: status >= 200 && status < 300,
    statusText: request.statusText ?? '',
    headers: new Headers(pairs),
    // React Native knows it a moment later.
    get url() {
      return request.responseURL ?? ''
    },
    body: { getReader: () => ({ read }) },
    text,
    json: async () => JSON.parse(await text()),
  } as unknown as Response
}
