package ghsim

import (
	"slices"
	"strings"
)

// rollup is what checks and statuses say of a commit; nil when there are none.
func (v commitValue) rollup(x *execution) (any, error) {
	if x.may(v.repo, "checks", "read") != nil || x.may(v.repo, "statuses", "read") != nil {
		return nil, errForbidden
	}
	out := rollupValue{commit: v, newest: map[string]value{}}
	add := func(name string, one value) { // an older one of a name does not count
		if out.newest[name] == nil {
			out.names = append(out.names, name)
		}
		out.newest[name] = one
	}
	for _, k := range v.repo.checks[v.commit] {
		add("run "+k.Name, checkValue{k})
	}
	for _, s := range v.repo.statuses[v.commit] {
		add("status "+s.context, contextValue{v.repo, s})
	}
	if len(out.names) == 0 {
		return nil, nil
	}
	return out, nil
}

type rollupValue struct {
	commit commitValue
	names  []string
	newest map[string]value
}

func (rollupValue) typename() string { return "StatusCheckRollup" }

func (v rollupValue) field(x *execution, name string, args arguments) (any, error) {
	switch name {
	case "id":
		return "SCR_" + v.commit.id, nil
	case "state":
		state := "SUCCESS"
		for _, one := range v.newest {
			switch c := contextState(one); {
			case c == "FAILURE":
				return c, nil
			case c == "PENDING":
				state = c
			}
		}
		return state, nil
	case "contexts":
		key := func(s string) string { return s }
		return connect(x, "StatusCheckRollupContextConnection", v.names, args, key, func(s string) value { return v.newest[s] })
	}
	return nil, unresolved(v, name)
}

// contextState is a check run or a status in the words of a rollup.
func contextState(v value) string {
	var run CheckRun
	switch v := v.(type) {
	case checkValue:
		run = v.CheckRun
	case contextValue:
		run = v.run()
	}
	switch {
	case run.Passes():
		return "SUCCESS"
	case run.Status != "completed":
		return "PENDING"
	}
	return "FAILURE"
}

// contextValue is a commit status in a rollup.
type contextValue struct {
	repo *repo
	*status
}

func (contextValue) typename() string { return "StatusContext" }

func (v contextValue) field(_ *execution, name string, args arguments) (any, error) {
	switch name {
	case "id":
		return v.node, nil
	case "context":
		return v.context, nil
	case "state":
		return strings.ToUpper(v.state), nil
	case "isRequired":
		return v.repo.requires(v.context, args), nil
	}
	return nil, unresolved(v, name)
}

// requires reports whether a check is required for the pull request that is asked about.
func (r *repo) requires(check string, args arguments) bool {
	n, _ := args.int("pullRequestNumber")
	p := r.pulls[n]
	return p != nil && slices.Contains(r.requirements(p.base), check)
}
