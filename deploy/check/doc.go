// Package check holds what lies under deploy/ against the tools and types that will read it (tests only).
//
// It is a module of its own, so that Kubernetes, Prometheus, Compose and BuildKit stay out of the program's dependencies. What can be checked without them,
// such as whether a setting or a metric exists, is held by the tests of cmd/relbot.
package check
