/** Calls a user's callback. An exception in it is reported like an uncaught error, and stops neither the caller nor other callbacks. */
export function call<Arguments extends unknown[]>(
  callback: ((...args: Arguments) => void) | undefined,
  ...args: Arguments
): void {
  try {
    callback?.(...args)
  } catch (error) {
    // Neither Node nor React Native has reportError.
    const report = globalThis.reportError ?? console.error
    report(error)
  }
}
