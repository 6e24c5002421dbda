/** The five organizations of the seed data. Codes of branches and departments are prefixed until they are unique. */

export interface DepartmentScenario {
  code: string
  name: string
  below?: readonly DepartmentScenario[]
}

interface BranchScenario {
  code: string
  name: string
  departments: readonly DepartmentScenario[]
}

export interface Scenario {
  name: string
  slug: string
  domain: string
  /** When the organization was founded. */
  since: string
  people: number
  companies: readonly { code: string; name: string; branches: readonly BranchScenario[] }[]
}

const department = (code: string, name: string, below: readonly DepartmentScenario[] = []): DepartmentScenario => ({
  code,
  name,
  below,
})

const engineering = department('ENG', 'Engineering', [
  department('FRONTEND', 'Front end'),
  department('BACKEND', 'Back end'),
  department('PLATFORM', 'Platform', [department('SECURITY', 'Security')]),
])
const [sales, marketing, finance, people, product, support] = [
  department('SALES', 'Sales'),
  department('MARKETING', 'Marketing'),
  department('FINANCE', 'Finance'),
  department('PEOPLE', 'People'),
  department('PRODUCT', 'Product', [department('DESIGN', 'Design')]),
  department('SUPPORT', 'Support'),
]

const numbered = (count: number, make: (number: string) => BranchScenario): BranchScenario[] =>
  Array.from({ length: count }, (_, index) => make(String(index + 1).padStart(2, '0')))

const hospital = [
  department('EMERGENCY', 'Emergency'),
  department('SURGERY', 'Surgery', [department('CARDIAC', 'Cardiac surgery'), department('ORTHOPEDIC', 'Orthopedics')]),
  department('PEDIATRICS', 'Pediatrics', [department('NEONATAL', 'Neonatal care')]),
  department('DIAGNOSTICS', 'Diagnostics', [department('RADIOLOGY', 'Radiology'), department('LAB', 'Laboratory')]),
  department('NURSING', 'Nursing', [department('DAY', 'Day shift'), department('NIGHT', 'Night shift')]),
  department('ADMIN', 'Administration'),
]

const office = (company: string) => [
  {
    code: `${company}-HQ`,
    name: 'Head office',
    departments: [finance, people, department('RISK', 'Risk'), engineering],
  },
  { code: `${company}-CITY`, name: 'City office', departments: [department('CLIENTS', 'Clients'), sales, support] },
]

export const scenarios: readonly Scenario[] = [
  {
    name: 'TechStart',
    slug: 'techstart',
    domain: 'techstart.com',
    since: '2024-02-01',
    people: 25,
    companies: [
      {
        code: 'TECHSTART',
        name: 'TechStart Inc.',
        branches: [{ code: 'HQ', name: 'Headquarters', departments: [engineering, product, sales, people] }],
      },
    ],
  },
  {
    name: 'FashionHub',
    slug: 'fashionhub',
    domain: 'fashionhub.com',
    since: '2019-05-06',
    people: 200,
    companies: [
      {
        code: 'FASHIONHUB',
        name: 'FashionHub Retail Ltd.',
        branches: [
          {
            code: 'HQ',
            name: 'Head office',
            departments: [
              department('BUYING', 'Buying'),
              marketing,
              finance,
              people,
              department('LOGISTICS', 'Logistics'),
            ],
          },
          ...numbered(15, number => ({
            code: `STORE-${number}`,
            name: `Store ${number}`,
            departments: [
              department('FLOOR', 'Sales floor'),
              department('STOCK', 'Stock'),
              department('TILL', 'Tills'),
            ],
          })),
        ],
      },
    ],
  },
  {
    name: 'MedCare',
    slug: 'medcare',
    domain: 'medcare.com',
    since: '2015-09-14',
    people: 1040,
    companies: [
      {
        code: 'MEDCARE',
        name: 'MedCare Health Network',
        branches: [
          { code: 'HQ', name: 'Administration', departments: [finance, people, department('QUALITY', 'Quality')] },
          ...numbered(3, number => ({ code: `HOSPITAL-${number}`, name: `Hospital ${number}`, departments: hospital })),
        ],
      },
    ],
  },
  {
    name: 'CloudWork',
    slug: 'cloudwork',
    domain: 'cloudwork.com',
    since: '2021-01-11',
    people: 150,
    companies: [
      {
        code: 'CLOUDWORK',
        name: 'CloudWork GmbH',
        branches: [
          { code: 'AMER', name: 'Remote, Americas', departments: [engineering, sales, support] },
          { code: 'EMEA', name: 'Remote, Europe and Africa', departments: [engineering, product, people, finance] },
          { code: 'APAC', name: 'Remote, Asia and Pacific', departments: [engineering, support] },
        ],
      },
    ],
  },
  {
    name: 'FinTech',
    slug: 'fintech',
    domain: 'fintech.com',
    since: '2017-03-20',
    people: 500,
    companies: [
      { code: 'BANK', name: 'FinTech Bank', branches: office('BANK') },
      { code: 'INVEST', name: 'FinTech Investments', branches: office('INVEST') },
      { code: 'INSURE', name: 'FinTech Insurance', branches: office('INSURE') },
    ],
  },
]

/** The passwords of the seeded accounts. They are public, and weaker than the policy allows. */
export const TENANT_PASSWORD = 'password123'
export const alone = [
  { email: 'superadmin@system.com', name: 'Super Admin', password: 'SuperAdmin123!', superuser: true },
  { email: 'demo@coditect.ai', name: 'Demo User', password: 'demo', superuser: false },
] as const
