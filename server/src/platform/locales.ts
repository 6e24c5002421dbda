/** The languages of emails and pages. */
export const locales = ['en', 'de'] as const
export type Locale = (typeof locales)[number]

/** The language and region (BCP 47) in which times and lists are written. */
export const regionalLocales: Readonly<Record<Locale, string>> = { en: 'en-GB', de: 'de-DE' }

const timeSuffixes: Readonly<Record<Locale, string>> = { en: ' UTC', de: ' Uhr UTC' }

/** A time for readers, in UTC, to the minute: in emails and pages alike. */
export function timeIn(locale: Locale, time: Date): string {
  const format = { dateStyle: 'long', timeStyle: 'short', timeZone: 'UTC' } as const
  return `${time.toLocaleString(regionalLocales[locale], format)}${timeSuffixes[locale]}`
}

/** The preferred one of our languages in Accept-Language (RFC 9110, section 12.5.4); undefined if it has none. */
export function preferredLocale(acceptLanguage: string | undefined): Locale | undefined {
  const wishes = (acceptLanguage ?? '').split(',', 100).flatMap(wish => {
    const [range = '', ...parameters] = wish
      .toLowerCase()
      .split(';')
      .map(part => part.trim())
    const locale = locales.find(known => range === known || range.startsWith(`${known}-`))
    const weight = Number(parameters.find(parameter => parameter.startsWith('q='))?.slice(2) ?? 1)
    return locale !== undefined && weight > 0 ? [{ locale, weight }] : []
  })
  return wishes.reduce<(typeof wishes)[number] | undefined>(
    (best, wish) => (best === undefined || wish.weight > best.weight ? wish : best),
    undefined,
  )?.locale
}
