/** Calls back the user. What it throws is reported as an uncaught error is, and stops neither the caller nor the other callbacks. */
export function call<Arguments extends unknown[]>(
  callback: ((...args: Arguments) => void) | undefined,
  ...args: Arguments
): void {
  try {
    callback?.(...args)
  } catch (error) {
    // Node has no reportError.
    if (typeof reportError === 'function') reportError(error)
    else console.error(error)
  }
}
