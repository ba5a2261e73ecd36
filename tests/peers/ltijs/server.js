'use strict'

// A course provider built on ltijs, as its documentation says: what the hub meets when somebody else's tool is
// launched. Configured by the environment only:
//
//   PORT          where it listens, on 127.0.0.1
//   DATABASE_URL  postgresql://user[:password]@host:port/database (ltijs-sequelize brings no SQLite driver)
//   PLATFORM      the JSON that `wkmb tool add --json` prints; without it, register at /register
//   SECRET        signs cookies and encrypts ltijs' keys in its database
//
// README.md beside this file says what was met on the way.

const { Provider: lti } = require('ltijs')
const Database = require('ltijs-sequelize')

const port = Number(required('PORT'))
const address = `http://127.0.0.1:${port}`

function required (name) {
  const value = process.env[name]
  if (!value) {
    console.error(`${name} is missing. See the top of server.js.`)
    process.exit(2)
  }
  return value
}

function escape (text) {
  const marks = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' }
  return String(text).replace(/[&<>"']/g, (mark) => marks[mark])
}

function database () {
  const url = new URL(required('DATABASE_URL'))
  return new Database(
    decodeURIComponent(url.pathname.slice(1)), decodeURIComponent(url.username), decodeURIComponent(url.password),
    { host: url.hostname, port: Number(url.port || 5432), dialect: 'postgres', logging: false }
  )
}

// What the hub answered belongs in the answer: a test that fails says why.
function told (error) {
  return { error: error.message, status: error.response?.statusCode, answer: error.response?.body }
}

async function answering (response, work) {
  try {
    response.json(await work())
  } catch (error) {
    response.status(502).json(told(error))
  }
}

lti.setup(required('SECRET'), { plugin: database() }, {
  cookies: { secure: false, sameSite: 'Lax' },
  dynReg: {
    url: address,
    name: 'Balai ltijs',
    redirectUris: [`${address}/`],
    autoActivate: true
  }
})

lti.onConnect((token, request, response) => {
  const name = token.userInfo.name || 'Peserta'
  const title = token.platformContext.resource?.title || 'Kursus'
  response.send(`<!doctype html><html lang="id"><meta charset="utf-8"><title>${escape(title)}</title>
    <h1>${escape(title)}</h1><p>${escape(name)}</p>
    <form method="post" action="/finish"><input type="hidden" name="ltik" value="${escape(response.locals.ltik)}">
    <label>Nilai <input name="score" value="85"></label> <button>Selesai</button></form></html>`)
})

// The score goes to the line item of the launch; where the launch names none, to the link's line item.
lti.app.post('/finish', (request, response) => answering(response, async () => {
  const token = response.locals.token
  const { lineItems } = await lti.Grade.getLineItems(token, { resourceLinkId: true })
  const lineItem = token.platformContext.endpoint.lineitem || lineItems[0].id
  const score = await lti.Grade.submitScore(token, lineItem, {
    scoreGiven: Number(request.body.score),
    scoreMaximum: 100,
    activityProgress: request.body.activityProgress || 'Completed',
    gradingProgress: request.body.gradingProgress || 'FullyGraded'
  })
  return { lineItem, lineItems, score }
}))

// A second line item of the tool's own: about something in the course, not about the course.
lti.app.post('/line-items', (request, response) => answering(response, () =>
  lti.Grade.createLineItem(response.locals.token, { label: 'Tugas', scoreMaximum: 10, tag: 'tugas' })))

lti.app.get('/results', (request, response) => answering(response, () =>
  lti.Grade.getScores(response.locals.token, response.locals.token.platformContext.endpoint.lineitem)))

lti.app.get('/members', (request, response) => answering(response, () =>
  lti.NamesAndRoles.getMembers(response.locals.token, { resourceLinkId: request.query.rlid === '1' })))

lti.onDeepLinking(async (token, request, response) => {
  const items = [{
    type: 'ltiResourceLink',
    title: 'Kursus ltijs',
    url: `${address}/`,
    custom: { course: 'ltijs-1' },
    lineItem: { scoreMaximum: 100, label: 'Nilai akhir', resourceId: 'ltijs-1' }
  }]
  response.send(await lti.DeepLinking.createDeepLinkingForm(token, items, { message: 'Satu kursus dipilih' }))
})

async function start () {
  // Serverless, because ltijs itself listens on every address of the machine.
  await lti.deploy({ serverless: true, silent: true })
  if (process.env.PLATFORM) {
    const platform = JSON.parse(process.env.PLATFORM)
    await lti.registerPlatform({
      url: platform.issuer,
      name: 'WKMB Hub',
      clientId: platform.client_id,
      authenticationEndpoint: platform.auth_url,
      accesstokenEndpoint: platform.token_url,
      authConfig: { method: 'JWK_SET', key: platform.jwks_url }
    })
  }
  lti.app.listen(port, '127.0.0.1', () => console.log(`ltijs: ${address}`))
}

start().catch((error) => {
  console.error(error)
  process.exit(1)
})
