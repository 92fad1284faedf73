import { useEffect, useState } from 'react'
import type { Product, ProductConfig, ProductsBody } from '../../src/schema.js'
import { explain } from '../error_text.js'
import { RequestError, requestData } from '../requests.js'

/** The wait before a failed request is sent again, in milliseconds. */
const RETRY_AFTER = 2000

/** Requests data again and again until it comes, and returns the function that stops this. `onError` returns whether to try again. */
function load<Data>(path: string, onData: (data: Data) => void, onError: (error: unknown) => boolean): () => void {
  const leaving = new AbortController()
  let timer: ReturnType<typeof setTimeout> | undefined
  const attempt = async () => {
    try {
      onData(await requestData<Data>(path, { signal: leaving.signal }))
    } catch (error) {
      if (!leaving.signal.aborted && onError(error)) timer = setTimeout(attempt, RETRY_AFTER)
    }
  }
  void attempt()
  return () => {
    leaving.abort()
    clearTimeout(timer)
  }
}

/** Returns the server's products: an empty list if it has no trading, undefined while they load. */
export function useProducts(): readonly Product[] | undefined {
  const [products, setProducts] = useState<readonly Product[]>()
  useEffect(() => {
    const show = ({ products }: ProductsBody) => setProducts(products)
    return load('/v1/market/products', show, (error) => {
      const hasTrading = !(error instanceof RequestError && error.status === 404)
      if (!hasTrading) setProducts([])
      return hasTrading
    })
  }, [])
  return products
}

/** Returns the defaults and limits of a product on an instrument, for stakes in a currency; `config` is undefined while they load, and `failure` says why loading failed. */
export function useProductConfig(
  productId: Product['id'],
  instrumentId: string,
  currency: string,
): { config: ProductConfig | undefined; failure: string | undefined } {
  const [loaded, setLoaded] = useState<{ path: string; config: ProductConfig }>()
  const [failure, setFailure] = useState<string>()
  const query = new URLSearchParams({ product_id: productId, instrument_id: instrumentId, currency })
  const path = `/v1/market/products/config?${query}`
  useEffect(() => {
    const show = (config: ProductConfig) => {
      setLoaded({ path, config })
      setFailure(undefined)
    }
    return load(path, show, (error) => {
      setFailure(explain(error))
      return true
    })
  }, [path])
  return { config: loaded?.path === path ? loaded.config : undefined, failure }
}
