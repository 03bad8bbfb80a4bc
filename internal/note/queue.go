package note

import "github.com/relbot/relbot/internal/rules"

// entering is what is said of a merge group from which members are missing that have to land with it. It belongs to order-waiting.
var entering = map[rules.Entering]struct {
	short, sentence, remedy func(v voice, r rules.Reason) string
}{
	rules.Awaited: {
		short: func(v voice, r rules.Reason) string {
			return "waits for " + v.pulls(r.Pulls) + " to enter the queue behind it"
		},
		sentence: func(v voice, r rules.Reason) string {
			return v.pulls(r.Pulls) + is(r.Pulls, " has", " have") + " to land together with " + v.pull(r.About) + ", and " + is(r.Pulls, "is", "are") + " not in this merge group"
		},
		remedy: func(v voice, r rules.Reason) string {
			return "Queue " + v.pulls(r.Pulls) + " behind " + v.pull(r.About) + ". The groups then pass by themselves, the last one first."
		},
	},
	rules.NotGreen: {
		short: func(v voice, r rules.Reason) string {
			return "waits for the other required checks of " + v.pulls(r.Pulls)
		},
		sentence: func(v voice, r rules.Reason) string {
			return v.pulls(r.Pulls) + is(r.Pulls, " is", " are") + " queued behind " + v.pull(r.About) + ", and another required check of the last merge group has not passed"
		},
		remedy: func(v voice, r rules.Reason) string {
			return "Nothing to do, unless that check fails: then repair it and queue " + v.pull(r.About) + " and " + v.pulls(r.Pulls) + " again."
		},
	},
	rules.Late: {
		short: func(v voice, r rules.Reason) string { return v.pulls(r.Pulls) + " did not come in behind it in time" },
		sentence: func(v voice, r rules.Reason) string {
			return v.pulls(r.Pulls) + is(r.Pulls, " has", " have") + " to land together with " + v.pull(r.About) + ", and did not pass behind it within the queue's patience"
		},
		remedy: func(v voice, r rules.Reason) string {
			return "Queue " + v.pulls(r.Pulls) + " and " + v.pull(r.About) + " one right after the other."
		},
	},
	rules.Draft: {
		short: func(v voice, r rules.Reason) string {
			return v.pulls(r.Pulls) + is(r.Pulls, " is a draft", " are drafts")
		},
		sentence: func(v voice, r rules.Reason) string {
			return v.pulls(r.Pulls) + is(r.Pulls, " is a draft", " are drafts") + " and cannot enter the queue behind " + v.pull(r.About)
		},
		remedy: func(v voice, r rules.Reason) string {
			return "Mark " + v.pulls(r.Pulls) + " as ready for review, then queue both."
		},
	},
	rules.Barred: {
		short: func(v voice, r rules.Reason) string {
			return v.pulls(r.Pulls) + is(r.Pulls, " is", " are") + " blocked"
		},
		sentence: func(v voice, r rules.Reason) string {
			return "the check of " + v.pulls(r.Pulls) + " blocks, so that it cannot enter the queue behind " + v.pull(r.About)
		},
		remedy: func(v voice, r rules.Reason) string {
			return "See the check of " + v.pulls(r.Pulls) + ", then queue both."
		},
	},
	rules.Apart: {
		short: func(v voice, r rules.Reason) string { return v.pulls(r.Pulls) + " goes to another base" },
		sentence: func(v voice, r rules.Reason) string {
			return v.pulls(r.Pulls) + is(r.Pulls, " goes", " go") + " to another base or repository than " + v.pull(r.About) + ", where no queue lands them together"
		},
		remedy: func(v voice, r rules.Reason) string {
			return "Merge " + v.pulls(r.Pulls) + ", then queue " + v.pull(r.About) + " again."
		},
	},
	rules.TooMany: {
		short: func(v voice, r rules.Reason) string {
			return "the queue builds too few entries at a time for it and " + v.pulls(r.Pulls)
		},
		sentence: func(v voice, r rules.Reason) string {
			return v.pull(r.About) + " and " + v.pulls(r.Pulls) + " have to land together, and the queue builds fewer entries at a time than that takes"
		},
		remedy: func(v voice, r rules.Reason) string {
			return "Raise the queue's build concurrency, or queue " + v.pull(r.About) + " and " + v.pulls(r.Pulls) + " one right after the other."
		},
	},
}
