import type { AdminBody } from '../../src/schema.js'

/** How many reports are kept: one a second, two minutes. */
const KEPT = 120

/** What happened in a second between two reports. */
export interface Rates {
  readonly published: number
  readonly delivered: number
  readonly merged: number
  readonly bytes: number
  /** The longest delay of the event loop, in milliseconds. */
  readonly delay: number
  readonly streams: number
}

/** The newest report, and what happened before it. */
export interface ReportHistory {
  readonly report: AdminBody
  /** Oldest first; empty until there are two reports. */
  readonly rates: readonly Rates[]
  /** How many requests have been refused since the first report of this history. */
  readonly refused: number
  readonly refusedBefore: number
}

/** Returns the history with one more report. It begins anew with a report of another process, whose counts begin at 0. */
export function addReport(history: ReportHistory | undefined, report: AdminBody): ReportHistory {
  const before = history?.report
  const refused = sum(Object.values(report.refusals))
  if (
    history === undefined ||
    before === undefined ||
    before.started_epoch_ms !== report.started_epoch_ms ||
    report.epoch_ms < before.epoch_ms
  )
    return { report, rates: [], refused: 0, refusedBefore: refused }
  const seconds = (report.epoch_ms - before.epoch_ms) / 1000
  if (seconds === 0) return { ...history, report }
  const rate = (count: keyof AdminBody['traffic']) =>
    Math.max(0, report.traffic[count] - before.traffic[count]) / seconds
  const rates: Rates = {
    published: rate('published'),
    delivered: rate('delivered'),
    merged: rate('merged'),
    bytes: rate('bytes'),
    delay: report.loop_delay.longest_ms,
    streams: sum(Object.values(report.streams.open)),
  }
  return {
    report,
    rates: [...history.rates, rates].slice(-KEPT),
    refused: refused - history.refusedBefore,
    refusedBefore: history.refusedBefore,
  }
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0)
}
