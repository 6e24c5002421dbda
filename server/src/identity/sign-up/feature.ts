import { feature } from '../../platform/feature.ts'
import { mails, tokenMails } from './mails.ts'
import { signUpRoutes } from './routes.ts'
import { signUpToken } from './sign-up.ts'

/** Sign-up: users create their own accounts. */
export const signUp = feature({
  name: 'sign-up',
  uses: ['users', 'organizations', 'accounts', 'passwords', 'sign-in'],
  tokens: [signUpToken],
  mails,
  tokenMails,
  firstSteps: { signUp: 10 },
  routes: [signUpRoutes],
})
