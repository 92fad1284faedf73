import type { DurationUnit, Variant } from '../../src/pricewire.js'
import type { Product, StatementEntry } from '../../src/schema.js'
import type { StreamEndCode } from '../../src/stream_end.js'
import type { Outcome } from '../account/outcome.js'
import type { Range } from '../chart/ranges.js'
import type { ChartStyle, Density, Indicator, Sorting, Zone } from '../preferences.js'
import type { Tab } from '../route.js'
import type { ThemeChoice } from '../theme.js'
import { pluralOf } from './plural.js'

const number = new Intl.NumberFormat('en-GB')
const plural = pluralOf('en')

/** One unit and several of it. */
const UNITS: Readonly<Record<DurationUnit, readonly [string, string]>> = {
  ticks: ['tick', 'ticks'],
  seconds: ['second', 'seconds'],
  minutes: ['minute', 'minutes'],
  hours: ['hour', 'hours'],
  days: ['day', 'days'],
}

/**
 * All texts of the page, in English. Another language has the same keys, which its type holds.
 *
 * Numbers and times come as text in the language's form already, except for counts that choose a plural. What stands between two `**` is bold.
 */
export const english = {
  /** The language of numbers and times, as `Intl` names it: the British clock has 24 hours. */
  locale: 'en-GB',

  connection: {
    live: 'Live',
    silent: 'Silent',
    connecting: 'Connecting',
    reconnecting: 'Reconnecting',
    paused: 'Paused',
    offline: 'Offline',
    closed: 'Closed',
    retryIn: (seconds: string) => ` in ${seconds} s`,
    retrying: ' …',
    lost: (reason: string) => `Connection lost: ${reason}. Prices may be out of date. Reconnecting automatically.`,
    offlineProblem:
      'This device is offline. Prices are out of date, and you cannot buy or sell. The page reconnects when the device is online again.',
    refused: (reason: string) => `The server refused the stream: ${reason}. The page is loading the instruments again.`,
    silentProblem: 'The server has sent nothing for longer than it should. Prices may be out of date.',
    noInstruments: (reason: string) =>
      `The instruments could not be loaded: ${reason}. The page tries again every two seconds. If this does not help, check that “pricewire serve” is running.`,
    tryNow: 'Try now',
    /** Why a stream ended, as the client says it; `#` stands for a number. */
    reasons: {
      'the server cannot be reached': 'the server cannot be reached',
      'the connection broke off': 'the connection broke off',
      'the server ended the stream': 'the server ended the stream',
      'the server has been silent for # s': 'the server has been silent for # s',
    } as Readonly<Record<string, string>>,
    /** The same, by the code that the server gives. */
    ends: {
      TOKEN_EXPIRED: 'your login has expired',
      TOKEN_REVOKED: 'your login has been ended',
      SLOW_CONSUMER: 'this page could not keep up',
      SERVER_DRAINING: 'the server is restarting',
      INTERNAL_ERROR: 'the server has a problem',
    } satisfies Partial<Record<StreamEndCode, string>> as Readonly<Record<string, string>>,
  },

  errors: {
    inThisPage: (error: string) => `Something went wrong in this page: ${error}. Reload it.`,
    codes: {
      INSUFFICIENT_BALANCE:
        'Your balance does not cover this stake. Lower the stake, or wait until a contract pays out.',
      PRICE_MOVED:
        'The price has moved against you since you pressed the button. Look at the new payout, and try again.',
      MARKET_CLOSED: 'This market is closed, or its price is out of date. Choose another, or wait for a new price.',
      CONTRACT_NOT_SELLABLE:
        'This contract can no longer be sold: it has ended, or ends soon. Its result appears under Closed.',
      UNAUTHORIZED: 'Your session has ended. Log in again.',
      FORBIDDEN: 'This account is not allowed to do that. Log in with another account.',
    } as Readonly<Record<string, string>>,
    /** Why the server refuses a stream, as it says it; `#` stands for a number. */
    refusals: {
      'barrier # is the spot itself; choose an offset of at least a pip':
        'This barrier is the current price itself. Choose one above or below it.',
      'barrier # is not above zero; the price is # now': 'This barrier is not above zero. Choose a higher one.',
      'the chance to win is below #; choose a barrier that is less certain':
        'With this barrier one side would hardly ever win. Choose another.',
      'the token cannot be read': 'This is no token of this server. Copy the whole of it.',
    } as Readonly<Record<string, string>>,
    tooMany: (seconds: number | undefined) =>
      seconds === undefined
        ? 'Too many attempts. Try again in a minute.'
        : `Too many attempts. Try again in ${seconds} ${plural(seconds, { one: 'second', other: 'seconds' })}.`,
    noAnswer: (reason: string) => `${reason} Try again when the connection is back.`,
    server: 'The server has a problem. Try again in a moment.',
    wrongPassword: 'The account or the password is wrong. Check both, and try again.',
    timeout: (seconds: string) => `the server has not answered within ${seconds} s`,
    unreachable: 'the server cannot be reached',
    status: (status: string) => `the server answered ${status}`,
    notPricewire: 'the response does not come from a Pricewire server',
    noAccount: 'this login has no account',
  },

  bar: {
    events: 'Show the live events',
    settings: 'Settings',
    logIn: 'Log in',
    logOut: 'Log out',
    today: 'Today',
    todayHint: 'Profit and loss of the contracts closed today, UTC',
    balance: 'balance',
  },

  tabs: {
    label: 'Parts of the page',
    markets: 'Markets',
    trade: 'Trade',
    positions: 'Positions',
    events: 'Events',
    /** Where nothing is traded. */
    chart: 'Chart',
  } satisfies Record<Tab | 'label' | 'chart', string>,

  settings: {
    title: 'Settings',
    theme: 'Theme',
    themes: { system: 'System', light: 'Light', dark: 'Dark' } satisfies Record<ThemeChoice, string>,
    language: 'Language',
    /** The language of the browser. */
    automatic: 'Automatic',
    times: 'Times',
    zones: { utc: 'UTC', local: 'Local' } satisfies Record<Zone, string>,
    density: 'Density',
    densities: { comfortable: 'Comfortable', compact: 'Compact' } satisfies Record<Density, string>,
    sound: 'Play a sound when a contract closes',
    notifications: 'Show a notification when a contract closes and this page is hidden',
    refused: 'This browser does not allow notifications for this page. Allow them in its settings first.',
    done: 'Done',
  },

  share: {
    share: 'Copy a link to this view',
    copied: 'Link copied',
    title: 'Link to this view',
  },

  login: {
    title: 'Log in',
    demo: (account: string, password: string) =>
      `This server has a demo account with play money: **${account}**, password **${password}**.`,
    account: 'Account',
    password: 'Password',
    cancel: 'Cancel',
    busy: 'Logging in …',
    tryDemo: 'Try with play money',
    ended: 'Your session has ended. Log in again to trade.',
  },

  hints: {
    label: 'How to begin',
    steps: [
      '**Choose** a market, and what you expect of its price: Rise or Fall.',
      '**Set** the stake and the duration, and press the green or the red button to buy.',
      '**Watch** the contract here. It pays when it ends, or sell it before.',
    ] as readonly string[],
    done: 'Got it',
  },

  /** What is said of contracts. */
  contract: {
    variants: {
      rise: 'Rise',
      fall: 'Fall',
      higher: 'Higher',
      lower: 'Lower',
      touch: 'Touch',
      no_touch: 'No touch',
    } satisfies Record<Variant, string>,
    /** When a variant wins. */
    wins: {
      rise: 'the price ends above the entry',
      fall: 'the price ends below the entry',
      higher: 'the price ends above the barrier',
      lower: 'the price ends below the barrier',
      touch: 'the price touches the barrier',
      no_touch: 'the price never touches the barrier',
    } satisfies Record<Variant, string>,
    outcomes: { sold: 'Sold', won: 'Won', lost: 'Lost', refunded: 'Refunded' } satisfies Record<Outcome, string>,
    /** `5 minutes`. */
    duration: (count: number, unit: DurationUnit) =>
      `${number.format(count)} ${plural(count, { one: UNITS[unit][0], other: UNITS[unit][1] })}`,
    /** `2 of 5 ticks`: what is left. */
    ticksLeft: (left: number, total: number) => `${left} of ${total} ${plural(total, { one: 'tick', other: 'ticks' })}`,
    daysLeft: (days: number, hours: number) => `${days} d ${hours} h`,
    nameOn: (variant: string, instrument: string) => `${variant} on ${instrument}`,
  },

  /** The columns of the lists of contracts. */
  columns: {
    contract: 'Contract',
    stake: 'Stake',
    payout: 'Payout',
    payoutReceived: 'Payout received',
    entry: 'Entry',
    exit: 'Exit',
    barrier: 'Barrier',
    left: 'Left',
    profit: 'Profit',
    closed: 'Closed',
    closedUtc: 'Closed, UTC',
    result: 'Result',
  },

  positions: {
    title: 'Positions',
    choice: 'Contracts or statement',
    open: 'Open',
    closed: 'Closed',
    statement: 'Statement',
    notLoaded: 'The statement could not be loaded. Trying again … If this does not help, reload the page.',
    profitAndLoss: 'Profit and loss',
    won: 'Won',
    winRate: (won: number, total: number, percent: string) => `${won} of ${total}, ${percent}`,
    restoring: 'Restoring your session …',
    loggedOut: 'Your contracts appear here.',
    loading: 'Loading your contracts …',
    none: 'No open contract. Buy one with the trade ticket, and watch it here.',
    nextTick: 'next tick',
    loadingClosed: 'Loading your closed contracts …',
    noneClosed: 'No closed contract yet. Contracts appear here when they end or are sold.',
    pages: 'Pages of closed contracts',
    newer: 'Newer',
    older: 'Older',
    page: (page: number, total: number) => `${page} of ${total}`,
    newest: (shown: string, total: string) => ` · the newest ${shown} of ${total}`,
    results: 'Results',
    dismiss: 'Dismiss',
  },

  sell: {
    sell: (price: string) => `Sell ${price}`,
    selling: 'Selling …',
    closed: 'Closed',
    closedHint: 'This contract has closed',
    outOfDateHint: 'The price is out of date',
    hint: 'Sell at this price',
    notNowHint: 'This contract cannot be sold now',
  },

  statement: {
    kinds: {
      deposit: 'Deposit',
      withdrawal: 'Withdrawal',
      adjustment: 'Adjustment',
      purchase: 'Purchase',
      sale: 'Sale',
      payout: 'Payout',
      refund: 'Refund',
    } satisfies Record<StatementEntry['kind'], string>,
    /** Why money came or went, as the server writes it; operators may give reasons of their own. */
    reasons: { 'opening balance': 'opening balance' } as Readonly<Record<string, string>>,
    kind: 'Kind',
    all: 'All',
    from: 'From',
    to: 'To',
    save: 'Save as CSV',
    loading: 'Loading your statement …',
    none: 'Nothing of this kind and time.',
    refused: 'The server has no statement for this choice. Choose other days.',
    what: 'What',
    when: 'When',
    whenUtc: 'When, UTC',
    amount: 'Amount',
    balance: 'Balance',
    more: 'Show more',
  },

  /** One contract, opened from the statement. */
  drawer: {
    label: 'Contract',
    open: 'Show this contract and its ticks',
    close: 'Close',
    loading: 'Loading the contract …',
    missing: 'This contract was not found.',
    duration: 'Duration',
    bought: 'Bought at',
    reference: 'Reference',
    loadingTicks: 'Loading the ticks …',
    notYetEntered: 'The next tick is the entry.',
    notEntered: 'No tick has followed the purchase, so there is no entry.',
    noTicks: 'This server does not have the ticks of that time any more.',
    ticks: (count: number) =>
      plural(count, {
        one: 'The tick of its life',
        other: `All ${number.format(count)} ticks of its life, the newest first`,
      }),
    someTicks: (count: string) => `${count} of its ticks, the newest first`,
    newestTicks: (listed: string, total: string) => `The newest ${listed} of ${total} ticks`,
    time: 'Time',
    price: 'Price',
    mark: 'Mark',
  },

  markets: {
    label: 'Instruments',
    chosen: 'Chosen instrument',
    missing: (id: string, shown: string) => `This server has no instrument “${id}”. The page shows ${shown} instead.`,
    favourites: 'Favourites',
    search: 'Search instruments',
    recents: 'Recent instruments',
    order: 'Order of the instruments',
    sortings: { category: 'By category', name: 'By name', change: 'By change' } satisfies Record<Sorting, string>,
    column: 'Price, change today',
    columnHint: 'the change since the day’s open, in UTC',
    predictable: 'Simulated from a seed: prices can be foreseen.',
    loading: 'Loading the instruments …',
    noMatch: (query: string) => `No instrument matches “${query}”.`,
    showAll: 'Show all',
    otherCategory: 'Other',
    favourite: (name: string) => `Favourite: ${name}`,
    favour: 'Add to the favourites',
    unfavour: 'Remove from the favourites',
    change: 'change today',
    price: 'price',
    closed: 'closed',
    closedUntil: (time: string) => `closed, opens ${time} UTC`,
    stale: (age: string) => `stale, ${age} old`,
    bid: 'Bid',
    ask: 'Ask',
    spread: 'Spread',
    changeHint: 'since the day’s open, in UTC',
    today: (low: string, high: string) => `Today from **${low}** to **${high}**.`,
    volatility: (percent: string, isEverySecond: boolean, isPredictable: boolean) =>
      `A price that moves with a volatility of ${percent} % a year, ${
        isEverySecond ? 'every second' : 'every two seconds'
      }, day and night: ${isPredictable ? 'simulated from a seed' : 'simulated, and independent of any real market'}.`,
  },

  /** Ages and the like: the largest unit alone. */
  age: {
    seconds: (count: string) => `${count} s`,
    minutes: (count: string) => `${count} min`,
    hours: (count: string) => `${count} h`,
    days: (count: string) => `${count} d`,
  },

  chart: {
    label: (instrument: string, timeframe: string) => `Chart of ${instrument}, ${timeframe}`,
    timeframe: 'Timeframe',
    tick: 'Tick',
    range: 'Range',
    ranges: { '1h': '1H', '6h': '6H', '1d': '1D', '1w': '1W', all: 'All' } satisfies Record<Range, string>,
    /** Where the history is shorter than the range. */
    begins: (time: string) => `Begins ${time}`,
    beginsHint: 'This server has no older prices',
    style: 'Chart style',
    styles: { candles: 'Candles', bars: 'Bars', area: 'Area' } satisfies Record<ChartStyle, string>,
    indicators: 'Indicators',
    indicator: {
      average: 'Moving average, 20',
      bollinger: 'Bollinger bands, 20 and 2',
      rsi: 'Relative strength index, 14',
    } satisfies Record<Indicator, string>,
    zoneHint: 'Show times in UTC or in your time zone',
    utc: 'UTC',
    local: 'Local time',
    fullScreen: 'Full screen',
    loading: 'Loading the history …',
    none: 'No prices yet. The chart starts with the first one.',
    failed: (reason: string) => `The history could not be loaded: ${reason}. Trying again …`,
    backToNow: 'Back to now',
    credit: 'Chart by TradingView',
    /** The letters of open, high, low and close. */
    letters: ['O', 'H', 'L', 'C'] as readonly string[],
    ticket: 'Ticket',
    entry: 'Entry',
    barrier: 'Barrier',
  },

  ticket: {
    place: 'Trade',
    label: 'Trade ticket',
    product: 'Product',
    products: {
      rise_fall: 'Rise/Fall',
      high_low: 'Higher/Lower',
      touch: 'Touch/No Touch',
    } satisfies Record<Product['id'], string>,
    loading: 'Loading the products …',
    stake: 'Stake',
    stakes: 'Stakes',
    lessStake: 'Less stake',
    moreStake: 'More stake',
    duration: 'Duration',
    durations: 'Durations',
    lessDuration: 'Less duration',
    moreDuration: 'More duration',
    unit: 'Duration unit',
    units: {
      ticks: UNITS.ticks[1],
      seconds: UNITS.seconds[1],
      minutes: UNITS.minutes[1],
      hours: UNITS.hours[1],
      days: UNITS.days[1],
    } satisfies Record<DurationUnit, string>,
    range: (min: string, max: string) => `${min} to ${max}`,
    enterAmount: (example: string) => `Enter an amount, for example ${example}`,
    tooManyDecimals: (decimals: number) =>
      `At most ${decimals} ${plural(decimals, { one: 'decimal', other: 'decimals' })}`,
    outOfRange: (min: string, max: string) => `From ${min} to ${max}`,
    aboveBalance: 'More than your balance',
    enterWhole: 'Enter a whole number',
    barrier: 'Barrier',
    barrierHint: (example: string) => `A price, or an offset such as ${example}`,
    barrierNow: (barrier: string) => `Now at ${barrier}`,
    enterBarrier: (example: string) => `Enter a price, or an offset such as ${example}`,
    automatic: 'Automatic',
    equals: 'Win if the price is unchanged',
    tolerance: 'If the payout falls meanwhile, accept',
    noLess: 'nothing less',
    less: (percent: string) => `up to ${percent} less`,
    buying: 'Buying …',
    winsIf: (condition: string) => `Wins if ${condition}`,
    variantWinsIf: (variant: string) => `${variant} wins if`,
    notOffered: 'Not offered: it would pay no more than the stake',
    payout: 'Payout',
    odds: (chance: string, win: string, stake: string) => `${chance} chance · win ${win}, lose ${stake}`,
    currentPrice: 'Current price',
    endsAt: 'Ends at',
    noAnswer: 'No answer yet. Trying again …',
    bought: (variant: string, price: string) => `Bought ${variant} for ${price}.`,
    unknown:
      'The server does not answer, so it is unknown whether you bought this contract. Ask again: you cannot buy it twice.',
    askAgain: 'Ask again',
    closed: 'This market is closed. Choose another, or wait until it opens.',
    everybody: 'Everybody can see these live prices.',
    logInToBuy: 'Log in to buy',
    logIn: 'Log in',
  },

  /** The drawer for developers. */
  inspector: {
    title: 'For developers',
    close: 'Close',
    choice: 'What is shown',
    views: { events: 'Events', topics: 'Topics', connection: 'Connection', code: 'Code' },
    about: 'All live data comes as Server-Sent Events over one connection. These are its events, newest first.',
    filter: 'Filter the events',
    filterExample: 'Filter: R_100, balance',
    shown: (shown: string, total: string) => `${shown} of ${total}`,
    pause: 'Pause',
    resume: 'Resume',
    clear: 'Clear',
    events: 'Events',
    waiting: 'Waiting for the next event …',
    more: (characters: number, text: string) =>
      `${text} more ${plural(characters, { one: 'character', other: 'characters' })}`,
    topic: 'Topic',
    eventRate: 'Events/s',
    dataRate: 'Data/s',
    age: 'Age',
    updates: 'Updates',
    updatesHint: 'messages received per second',
    data: 'Data',
    dataHint: 'bytes of events per second, after decompression',
    delay: 'Delay',
    delayHint: (count: string) =>
      `The delay of the ${count} price updates since the page was opened. The clocks of server and browser differ, so the fastest update counts as 0 ms.`,
    medianHint: 'half of the updates had at most this delay',
    p99Hint: '99 of 100 updates had at most this delay',
    changes: 'Changes of the connection',
    longestDelay: (now: string, most: string) =>
      `Longest delay of a price in each second: **${now} ms** now, ${most} ms at most`,
    copied: 'Copied',
    selected: 'Not allowed to copy: it is selected',
    copyAs: (name: string) => `Copy as ${name}`,
    states: {
      connecting: 'connecting',
      open: 'open',
      silent: 'open, but silent for longer than it should be',
      waiting: (attempt: number, reason: string) => `lost, attempt ${attempt} follows: ${reason}`,
      offline: 'paused: the page is offline',
      hidden: 'paused: the page is hidden',
      closed: 'closed',
      closedBecause: (reason: string) => `closed by the server: ${reason}`,
    },
    /** The meaning of the events by which the server speaks about the stream itself. */
    control: {
      changed: 'the stream now has these topics',
      stale: 'the feed of this topic sends no prices',
      reset: 'missed events are no longer available; current values follow',
      error: 'the server ends the stream for this reason',
    } as Readonly<Record<string, string>>,
    ofType: (type: string) => `an event of type ${type}`,
    heartbeat: 'a heartbeat',
    message: 'a message',
    event: (name: string, topic: string, number: string) => `${name} of ${topic}, number ${number}`,
    merged: (count: number) => `, replaces ${count} older`,
  },

  /** The page for operators. */
  admin: {
    title: 'Pricewire for operators',
    about:
      'This page shows how the server is doing, and can stop it. It needs a token with the scope **admin**, which this command prints on the server, for an account that you have:',
    command: 'pricewire token NAME --scope admin',
    token: 'Token',
    tokenHint: 'Kept in this tab until you close it.',
    show: 'Show the server',
    upFor: (version: string, age: string) => `${version}, up for ${age}`,
    drain: 'Drain …',
    leave: 'Leave',
    waiting: 'Waiting for the first report …',
    stopping: 'The server is stopping: its streams are being ended.',
    stopTitle: 'Stop this server?',
    stopAbout: (streams: number) =>
      `${plural(streams, { one: 'Its one stream ends', other: `Its ${number.format(streams)} streams end` })} one after another, each told when to come back, and no new ones begin. Then the process stops. Nobody gets prices or trades until it is started again, by your service manager or by you. Open contracts stay, and settle then.`,
    keep: 'Keep it running',
    stop: 'Drain and stop',
    rate: (count: string) => `${count}/s`,
    streams: 'Streams',
    lagging: 'Lagging',
    lagged: 'Fell behind',
    dropped: 'Dropped',
    resumed: 'Resumed',
    reset: 'Reset',
    endpoint: (name: string) => `of ${name}`,
    delivered: 'Events delivered',
    published: 'Published',
    merged: 'Left out',
    written: 'Written',
    loopDelay: 'Loop delay',
    loopDelayHint: (late: string) =>
      `The longest of five seconds. Above ${late} ms the process has more work than a core can do.`,
    mean: 'Mean',
    contracts: 'Open contracts',
    contractsHint: 'Bought and sold since the process began.',
    unsettled: 'Not settled yet',
    bought: 'Bought',
    sold: 'Sold back',
    onGateways: (streams: string, gateways: string) =>
      `${streams} of the streams are held by ${gateways} gateways. What these write, and how many of their streams lag, is in the metrics of each of them.`,
    feeds: 'Feeds',
    feed: 'Feed',
    open: 'Open',
    openOf: (open: string, instruments: string) => `${open} of ${instruments}`,
    silent: 'Silent',
    ticks: 'Ticks',
    age: 'Age',
    ageHint: 'Age is that of the newest price.',
    noFeeds: 'This server has no feed.',
    topics: 'Topics by readers',
    topic: 'Topic',
    topicsHint: (count: string) => `${count} topics in all`,
    noTopics: 'Nobody listens to anything.',
    exposure: 'Exposure by instrument',
    instrument: 'Instrument',
    mayWin: 'Contracts may win',
    limit: 'Limit',
    noLimit: 'no limit',
    used: 'Used',
    ofLimit: (percent: string) => `${percent} % of the limit`,
    exposureHint: 'Payouts less stakes',
    noExposure: 'No contract is open.',
    accounts: 'Accounts',
    currency: 'Currency',
    suspended: 'Suspended',
    balances: 'Balances',
    accountsHint: 'Looked at every ten seconds',
    noAccounts: 'There are no accounts.',
    refusals: 'Refusals',
    reason: 'Reason',
    requests: 'Requests',
    refusalsHint: (count: string) => `${count} since this page was opened`,
    noRefusals: 'No request was refused.',
    reasons: {
      account: 'Streams of one account',
      address: 'Streams of one address',
      process: 'Streams of the process',
      rate: 'New streams per second',
      requests: 'Requests of one address',
      quotes: 'Quotes',
      topics: 'Topics of one address',
      history: 'Rows of history of one address',
      parameters: 'Wrong parameters',
    } as Readonly<Record<string, string>>,
  },

  embed: {
    label: 'Live price',
    loading: 'Loading …',
    missing: (id: string) => `This server has no instrument “${id}”.`,
    open: 'Open in Pricewire',
  },
}

/** The texts of the page in one language. */
export type Texts = typeof english
