"""The hub as an LTI 1.3 tool: other LMSs launch it, and their people find their JP and the catalogue here.

`platforms` are those LMSs. `entry` takes a login and a launch: PyLTI1p3 walks through them (`pylti`), every check has a
name (`claims`), `logins` lets each launch through once, `people` knows who it is. `views` is the HTTP of it,
`picker` and `deep_linking` are for teachers who link courses. Scores go on to their LMS's gradebook (`gradebooks`,
`reported`, `passback`); `blueprint` puts the pages together.
docs/lti-tool.md tells what is checked and why.
"""
