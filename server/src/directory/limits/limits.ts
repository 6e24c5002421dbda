/** How the statement that would exceed a quota is refused (count_use). */
export const quotaRules = { limit_of_quota: { code: 'quota-exhausted', tells: true } } as const
