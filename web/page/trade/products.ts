import { useEffect, useState } from 'react'
import type { Product, ProductConfig, ProductsBody } from '../../src/schema.js'
import { explain } from '../error_text.js'
import { RequestError, requestData } from '../requests.js'

/** The wait before a failed request is sent again, in milliseconds. */
const RETRY_AFTER = 2000

/** Returns the server's products: an empty list if it has no trading, undefined while they load. */
export function useProducts(): readonly Product[] | undefined {
  const [products, setProducts] = useState<readonly Product[]>()
  useEffect(() => {
    const leaving = new AbortController()
    let timer: ReturnType<typeof setTimeout> | undefined
    const load = async () => {
      try {
        const body = await requestData<ProductsBody>('/v1/market/products', { signal: leaving.signal })
        setProducts(body.products)
      } catch (error) {
        if (leaving.signal.aborted) return
        if (error instanceof RequestError && error.status === 404) setProducts([])
        else timer = setTimeout(load, RETRY_AFTER)
      }
    }
    void load()
    return () => {
      leaving.abort()
      clearTimeout(timer)
    }
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
    const leaving = new AbortController()
    let timer: ReturnType<typeof setTimeout> | undefined
    const load = async () => {
      try {
        const config = await requestData<ProductConfig>(path, { signal: leaving.signal })
        setLoaded({ path, config })
        setFailure(undefined)
      } catch (error) {
        if (leaving.signal.aborted) return
        setFailure(explain(error))
        timer = setTimeout(load, RETRY_AFTER)
      }
    }
    void load()
    return () => {
      leaving.abort()
      clearTimeout(timer)
    }
  }, [path])
  return { config: loaded?.path === path ? loaded.config : undefined, failure }
}
