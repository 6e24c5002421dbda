// The health check of the image: exits with 0 if the service is ready.
fetch(`http://127.0.0.1:${process.env.PORT ?? 8000}/ready`, { signal: AbortSignal.timeout(4000) }).then(
  answer => process.exit(answer.ok ? 0 : 1),
  () => process.exit(1),
)
