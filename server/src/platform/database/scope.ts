/** The origin of a request, as the audit log and security events store it. */
export interface Origin {
  user_id?: string
  request_id: string
  ip: string
  user_agent: string
  /** Not stored: the jobs that the request causes continue its trace. */
  traceparent?: string
}

type Details = Readonly<Record<string, unknown>>

/** An operator's operation, as the operators' log stores it. */
export interface Operation {
  /** The operationId of the route. */
  name: string
  entity_type?: string | undefined
  /** What it is about, or what its transaction has made. */
  entity_id?: string | ((result: never) => string) | undefined
  /** More about it, or what follows from the result of its transaction. Without personal data: it is never erased. */
  details?: Details | ((result: never) => Details) | undefined
  /** It only looks up what the operation is about, and is not recorded. */
  isLookUp?: boolean
}

/** The settings that the gate reads. The system login needs no session, but a session that is given must be valid. */
export interface Scope {
  session_id?: string
  organization_id?: string
  /** The one permission that the gate requires; undefined if a valid session suffices. */
  permission?: string
  /** The support access through which an operator acts; the session is the operator's. */
  support_id?: string
  /** An entitlement that the organization must have. */
  requires?: string
  /** Required for an `admin:` permission: it is recorded with the commit, if the permission allows changes. */
  operation?: Operation
  /** Called when the database has found the session valid. */
  confirm?: () => void
  origin: Origin
}
