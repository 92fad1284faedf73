import { requestRender } from './animation_frame.js'
import type { BaseStore } from './base_store.js'
import type { ConnectionState } from './connection.js'
import { type Pace, paced } from './pace.js'
import { call } from './report.js'

/** What a component shows. */
export interface Shown<Value> {
  readonly value: Value
  readonly state: ConnectionState
}

/** The source of a view's values. */
export interface Source<Value> {
  readonly store: BaseStore
  /** Returns the newest value; the same object until it changes. */
  readonly read: () => Value
  readonly subscribe: (listener: () => void) => () => void
}

/**
 * The part of a store that a component shows. It changes at most once per animation frame, and at the requested pace.
 *
 * Source: React documentation, "useSyncExternalStore".
 */
export class View<Value> {
  readonly #source: Source<Value>
  readonly #pace: Pace
  readonly #onValue: (value: Value) => void
  #shown: Shown<Value>

  /** @param onValue - called with every value at the requested pace, even if it is never shown. */
  constructor(source: Source<Value>, pace: Pace, onValue: (value: Value) => void) {
    this.#source = source
    this.#pace = pace
    this.#onValue = onValue
    this.#shown = this.#look()
  }

  /** Returns what to show; the same object until {@link View.subscribe} has called its listener. */
  readonly read = (): Shown<Value> => this.#shown

  readonly subscribe = (render: () => void): (() => void) => {
    const { store, read, subscribe } = this.#source
    let cancelFrame: (() => void) | undefined
    const request = () => {
      cancelFrame ??= requestRender(() => {
        cancelFrame = undefined
        this.#shown = this.#look()
        render()
      })
    }
    const values = paced((value: Value) => {
      call(this.#onValue, value)
      request()
    }, this.#pace)
    const ends = [
      subscribe(() => values.push(read())),
      store.onState((state) => {
        if (state !== this.#shown.state) request()
      }),
    ]
    const look = this.#look()
    if (look.value !== this.#shown.value || look.state !== this.#shown.state) this.#shown = look
    return () => {
      for (const end of ends) end()
      values.cancel()
      cancelFrame?.()
    }
  }

  #look(): Shown<Value> {
    return { value: this.#source.read(), state: this.#source.store.state }
  }
}
