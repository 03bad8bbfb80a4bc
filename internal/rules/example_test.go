package rules_test

import (
	"fmt"

	"github.com/relbot/relbot/internal/coupling"
	"github.com/relbot/relbot/internal/rules"
	"github.com/relbot/relbot/internal/versionscan"
)

// Two open pull requests have an order, so that the second waits for the first. In another coupling a member was not read: nothing passes there.
func ExampleEvaluate() {
	const app = coupling.Repo("acme/app")
	first, second, unread := coupling.Pull{Repo: app, Number: 1}, coupling.Pull{Repo: app, Number: 2}, coupling.Pull{Repo: app, Number: 3}
	open := versionscan.Know(rules.Pull{State: "open", Base: "main", Head: "c0ffee"})
	s := rules.Snapshot{
		Couplings: []coupling.Coupling{{
			Name: "nonroot", Home: app,
			Members: []coupling.Member{{Role: "image", Pull: first}, {Role: "gate", Pull: second}},
			Order:   []coupling.Edge{{Before: "image", After: "gate"}},
		}, {
			Name: "manual", Home: app,
			Members: []coupling.Member{{Role: "text", Pull: first}, {Role: "links", Pull: unread}},
		}},
		Repos: map[coupling.Repo]rules.Repository{app: {Name: app, Default: "main", Bases: map[string]rules.Base{"main": {Tip: "f00d"}}}},
		Pulls: map[coupling.Pull]versionscan.Fact[rules.Pull]{first: open, second: open},
	}
	for _, judgement := range rules.Evaluate(rules.Policy{}, s) {
		for _, m := range judgement.Members {
			fmt.Print(m.Role, ": ", m.Verdict.Level)
			for _, r := range m.Verdict.Reasons {
				fmt.Print(" ", r.Code)
			}
			fmt.Println()
		}
	}
	// Output:
	// image: pass
	// gate: wait order-waiting
	// text: unknown member-unreadable
	// links: unknown member-unreadable
}
