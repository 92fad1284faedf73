/** Returns the sum of amounts, with as many decimals as the longest of them. */
export function sumOf(amounts: readonly string[]): string {
  const decimals = Math.max(0, ...amounts.map((amount) => amount.split('.')[1]?.length ?? 0))
  // In whole units of the last decimal: binary fractions would not add up.
  const units = amounts.reduce((sum, amount) => sum + BigInt(Math.round(Number(amount) * 10 ** decimals)), 0n)
  return (Number(units) / 10 ** decimals).toFixed(decimals)
}
