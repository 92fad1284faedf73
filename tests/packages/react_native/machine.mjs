// What React Native and Expo have in native code for requests, by Node. It is loaded before Node's own globals are gone.
import http from 'node:http'

const { TextDecoder, URL } = globalThis

/** Sends a request; `answered` gets the response. Returns the request. */
function send(url, { method, headers, body }, answered, failed) {
  const request = http.request(new URL(url), { method, headers, agent: false }, answered)
  request.on('error', failed)
  request.end(body)
  return request
}

/** React Native's module `Networking`: it emits events of the device. */
export function networking(emit) {
  const requests = new Map()
  let count = 0
  return {
    addListener() {},
    removeListeners() {},
    sendRequest({ method, url, data, headers, incrementalUpdates }, callback) {
      const id = ++count
      const complete = (error) => requests.delete(id) && emit('didCompleteNetworkResponse', [id, error, false])
      const answered = (response) => {
        emit('didReceiveNetworkResponse', [id, response.statusCode, response.headers, url])
        const decoder = new TextDecoder()
        let all = ''
        response.on('data', (bytes) => {
          const text = decoder.decode(bytes, { stream: true })
          if (incrementalUpdates) emit('didReceiveNetworkIncrementalData', [id, text, bytes.length, -1])
          else all += text
        })
        response.on('end', () => {
          if (!incrementalUpdates) emit('didReceiveNetworkData', [id, all])
          complete('')
        })
        response.on('error', ({ message }) => complete(message))
      }
      requests.set(id, send(url, { method, headers, body: data.string }, answered, ({ message }) => complete(message)))
      callback(id)
    },
    abortRequest(id) {
      const request = requests.get(id)
      requests.delete(id)
      request?.destroy()
    },
  }
}

class NativeResponse {
  #listeners = new Map()
  #early = []
  #isStreaming = false

  addListener(name, listener) {
    this.#listeners.set(name, listener)
  }
  removeListener(name) {
    this.#listeners.delete(name)
  }
  removeAllListeners(name) {
    this.#listeners.delete(name)
  }
  take(response, url) {
    const { rawHeaders, statusCode, statusMessage } = response
    Object.assign(this, { statusCode, statusMessage, address: url, response })
    this.pairs = rawHeaders.flatMap((name, index) => (index % 2 ? [] : [[name, rawHeaders[index + 1]]]))
    const tell = (name, ...values) => (this.#isStreaming ? this.#listeners.get(name)?.(...values) : this.#early.push([name, ...values]))
    response.on('data', (bytes) => tell('didReceiveResponseData', Uint8Array.from(bytes)))
    response.on('end', () => tell('didComplete'))
    response.on('error', ({ message }) => tell('didFailWithError', message))
  }
  get _rawHeaders() {
    return this.pairs
  }
  get status() {
    return this.statusCode
  }
  get statusText() {
    return this.statusMessage
  }
  get url() {
    return this.address
  }
  get redirected() {
    return false
  }
  async startStreaming() {
    this.#isStreaming = true
    for (const [name, ...values] of this.#early.splice(0)) this.#listeners.get(name)?.(...values)
    return null
  }
  cancelStreaming() {
    this.response.destroy()
  }
  async text() {
    const parts = this.#early.splice(0).flatMap(([, bytes]) => (bytes ? [bytes] : []))
    if (!this.response.complete) for await (const bytes of this.response) parts.push(bytes)
    return Buffer.concat(parts).toString()
  }
}

class NativeRequest {
  constructor(response) {
    this.response = response
  }
  start(url, { method, headers }, body) {
    return new Promise((resolve, reject) => {
      const answered = (response) => {
        this.response.take(response, url)
        resolve(this.response)
      }
      this.request = send(url, { method, headers: Object.fromEntries(headers), body: body ?? undefined }, answered, reject)
    })
  }
  cancel() {
    this.request?.destroy()
  }
}

/** Expo's module for `expo/fetch`. */
export const ExpoFetchModule = { NativeRequest, NativeResponse }
