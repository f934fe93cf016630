// Package documents holds the tests of this repository's Markdown: README.md and every other document of the root module.
// Each code block is checked by its language, and one in a language that nothing checks is a failure:
//
//   - go, a whole file: its first line is a comment with its name, such as "// main.go". The files of one document are one
//     program, which is compiled, vetted and, if it has tests, tested.
//   - go, anything less: declarations, or statements of a function. It compiles with the packages of this module, and with
//     what environment_test.go declares. What README.md has of adapters/bindotel is compiled there.
//   - sh: every command is one that the tests know how to try.
//   - yaml: it is indented by spaces, two for each level. No program reads it.
//   - nginx: every directive stands in the configuration that examples/proxies tests with the real program.
//   - mermaid is for the eye.
//
// Links within the repository must lead to something.
package documents
