package ghsim

import (
	_ "embed"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"

	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
	"github.com/vektah/gqlparser/v2/parser"
	"github.com/vektah/gqlparser/v2/validator"
	"github.com/vektah/gqlparser/v2/validator/rules"
)

//go:embed schema.graphql
var schemaText string

// schema is the part of GitHub's GraphQL schema that [value]s answer for.
var schema = sync.OnceValue(func() *ast.Schema {
	return gqlparser.MustLoadSchema(&ast.Source{Name: "schema.graphql", Input: schemaText})
})

// queryRules are the specification's own, which GitHub applies.
var queryRules = sync.OnceValue(rules.NewDefaultRules)

// value is something with fields. A field gives a scalar, a value, a []value, or nil.
type value interface {
	typename() string
	field(x *execution, name string, args arguments) (any, error)
}

// arguments are a field's, with the schema's defaults.
type arguments map[string]any

func (a arguments) text(name string) string { s, _ := a[name].(string); return s }

func (a arguments) int(name string) (int, bool) {
	switch n := a[name].(type) {
	case int64:
		return int(n), true
	case int:
		return n, true
	case float64:
		return int(n), true
	case json.Number:
		i, err := n.Int64()
		return int(i), err == nil
	}
	return 0, false
}

func (a arguments) object(name string) arguments {
	switch o := a[name].(type) {
	case map[string]any:
		return o
	case arguments:
		return o
	}
	return nil
}

func (a arguments) texts(name string) []string {
	var out []string
	switch list := a[name].(type) {
	case []any:
		for _, x := range list {
			if s, ok := x.(string); ok {
				out = append(out, s)
			}
		}
	case string: // a single value stands for a list of it
		out = append(out, list)
	}
	return out
}

// fieldError is an error with GitHub's type.
type fieldError struct{ kind, message string }

func (e *fieldError) Error() string { return e.message }

func missing(what, by string) error {
	return &fieldError{"NOT_FOUND", fmt.Sprintf("Could not resolve to %s with the %s.", what, by)}
}

var errForbidden = &fieldError{"FORBIDDEN", "Resource not accessible by integration"}

// execution is one query on its way through.
type execution struct {
	*call
	vars   map[string]any
	errors []any
}

type graphQLRequest struct {
	Query         string         `json:"query"`
	OperationName string         `json:"operationName"`
	Variables     map[string]any `json:"variables"`
}

func isMutation(body []byte) bool {
	var r graphQLRequest
	if json.Unmarshal(body, &r) != nil {
		return false
	}
	doc, err := parser.ParseQuery(&ast.Source{Input: r.Query})
	if err != nil {
		return false
	}
	op := doc.Operations.ForName(r.OperationName)
	return op != nil && op.Operation == ast.Mutation
}

// graphql answers a query. As on GitHub the status is 200 even when it fails.
func (g *GitHub) graphql(c *call) answer {
	if c.request.Method != http.MethodPost {
		return notFound
	}
	if c.app {
		return forbidden
	}
	var r graphQLRequest
	if err := json.Unmarshal(c.body, &r); err != nil {
		return fail(http.StatusBadRequest, "Problems parsing JSON")
	}
	refuse := func(err error) answer {
		g.problem("graphql: %v in %s", err, r.Query)
		return ok(object{"data": nil, "errors": []any{object{"message": err.Error()}}})
	}
	doc, known := g.queries[r.Query]
	if !known {
		var errs gqlerror.List
		if doc, errs = gqlparser.LoadQueryWithRules(schema(), r.Query, queryRules()); len(errs) > 0 {
			return refuse(errs)
		}
		for _, what := range outdated(doc) {
			g.problem("graphql: %s is deprecated: %s", what, r.Query)
		}
		g.queries[r.Query] = doc
	}
	op := doc.Operations.ForName(r.OperationName)
	if op == nil {
		return refuse(fmt.Errorf("no operation %q", r.OperationName))
	}
	vars, err := validator.VariableValues(schema(), op, r.Variables)
	if err != nil {
		return refuse(err)
	}
	x := &execution{call: c, vars: vars}
	root := value(queryRoot{})
	if op.Operation == ast.Mutation {
		root = mutationRoot{}
	}
	out := object{"data": x.selection(root, op.SelectionSet, nil)}
	if len(x.errors) > 0 {
		out["errors"] = x.errors
	}
	return ok(out)
}

// outdated lists the fields, arguments and enum values of a query that GitHub's schema marks as deprecated. On the day of their removal the whole
// query fails.
func outdated(doc *ast.QueryDocument) (out []string) {
	var observers validator.Events
	observers.OnField(func(_ *validator.Walker, f *ast.Field) {
		if f.ObjectDefinition == nil || f.Definition == nil {
			return
		}
		name := f.ObjectDefinition.Name + "." + f.Name
		if f.Definition.Directives.ForName("deprecated") != nil {
			out = append(out, name)
		}
		for _, a := range f.Arguments {
			if d := f.Definition.Arguments.ForName(a.Name); d != nil && d.Directives.ForName("deprecated") != nil {
				out = append(out, name+"("+a.Name+")")
			}
		}
	})
	observers.OnValue(func(_ *validator.Walker, v *ast.Value) {
		if v.Kind != ast.EnumValue || v.Definition == nil {
			return
		}
		if d := v.Definition.EnumValues.ForName(v.Raw); d != nil && d.Directives.ForName("deprecated") != nil {
			out = append(out, v.Definition.Name+"."+v.Raw)
		}
	})
	validator.Walk(schema(), doc, &observers)
	return out
}

// selection answers what a selection set asks of v.
func (x *execution) selection(v value, set ast.SelectionSet, path []any) object {
	out := object{}
	names, fields := x.collect(v.typename(), set)
	for _, name := range names {
		f := fields[name][0]
		var below ast.SelectionSet
		for _, same := range fields[name] {
			below = append(below, same.SelectionSet...)
		}
		at := append(slices.Clone(path), name)
		if f.Name == "__typename" {
			out[name] = v.typename()
			continue
		}
		got, err := v.field(x, f.Name, f.ArgumentMap(x.vars))
		if err != nil {
			x.fail(err, at)
			out[name] = nil
			continue
		}
		if got == nil && f.Definition.Type.NonNull {
			x.g.problem("graphql: %s.%s is null and must not be", v.typename(), f.Name)
		}
		out[name] = x.complete(got, below, at)
	}
	return out
}

// complete answers for what a field gave.
func (x *execution) complete(got any, below ast.SelectionSet, path []any) any {
	switch got := got.(type) {
	case value:
		return x.selection(got, below, path)
	case []value:
		out := make([]any, len(got))
		for i, v := range got {
			if v != nil {
				out[i] = x.selection(v, below, append(slices.Clone(path), i))
			}
		}
		return out
	}
	return got
}

// collect gathers the fields that a selection set asks of a type, through its fragments.
func (x *execution) collect(typename string, set ast.SelectionSet) (names []string, fields map[string][]*ast.Field) {
	fields = map[string][]*ast.Field{}
	applies := func(condition string) bool {
		return condition == "" || condition == typename || slices.ContainsFunc(schema().PossibleTypes[condition], func(d *ast.Definition) bool {
			return d.Name == typename
		})
	}
	var walk func(set ast.SelectionSet)
	walk = func(set ast.SelectionSet) {
		for _, s := range set {
			switch s := s.(type) {
			case *ast.Field:
				if !x.included(s.Directives) {
					continue
				}
				if fields[s.Alias] == nil {
					names = append(names, s.Alias)
				}
				fields[s.Alias] = append(fields[s.Alias], s)
			case *ast.InlineFragment:
				if applies(s.TypeCondition) && x.included(s.Directives) {
					walk(s.SelectionSet)
				}
			case *ast.FragmentSpread:
				if applies(s.Definition.TypeCondition) && x.included(s.Directives) {
					walk(s.Definition.SelectionSet)
				}
			}
		}
	}
	walk(set)
	return names, fields
}

func (x *execution) included(directives ast.DirectiveList) bool {
	if d := directives.ForName("skip"); d != nil && d.ArgumentMap(x.vars)["if"] == true {
		return false
	}
	if d := directives.ForName("include"); d != nil && d.ArgumentMap(x.vars)["if"] == false {
		return false
	}
	return true
}

func (x *execution) fail(err error, path []any) {
	e := object{"message": err.Error(), "path": path, "locations": []any{}}
	var f *fieldError
	if errors.As(err, &f) {
		e["type"] = f.kind
	}
	x.errors = append(x.errors, e)
}

// may reports an error unless the caller's token has a permission.
func (x *execution) may(r *repo, permission, level string) error {
	if !x.token.may(r, permission, level) {
		return errForbidden
	}
	return nil
}

// connection is a page of a list.
type connection struct {
	kind   string
	nodes  []value
	cursor func(i int) string // of the i-th of nodes
	total  int
	before bool // there are more before these
	after  bool // and after
}

const maxConnection = 100

// connect cuts a list to the page that args ask for. GitHub wants first or last, of 100 at most. Cursors are made of
// keys, so that they hold while the list changes.
func connect[T any](x *execution, kind string, items []T, args arguments, key func(T) string, wrap func(T) value) (value, error) {
	first, hasFirst := args.int("first")
	last, hasLast := args.int("last")
	switch {
	case !hasFirst && !hasLast:
		err := &fieldError{"MISSING_PAGINATION_BOUNDARIES", "You must provide a `first` or `last` value to properly paginate the " + kind + "."}
		x.g.problem("graphql: %v", err)
		return nil, err
	case hasFirst && (first < 0 || first > maxConnection), hasLast && (last < 0 || last > maxConnection):
		err := &fieldError{"EXCESSIVE_PAGINATION", fmt.Sprintf("Requesting more than %d records on the %s exceeds the limit.", maxConnection, kind)}
		x.g.problem("graphql: %v", err)
		return nil, err
	}
	from, to := 0, len(items)
	at := func(cursor string) (int, error) {
		raw, err := base64.StdEncoding.DecodeString(cursor)
		i := slices.IndexFunc(items, func(t T) bool { return "cursor:"+key(t) == string(raw) })
		if err != nil || i < 0 {
			return 0, &fieldError{"INVALID_CURSOR_ARGUMENTS", fmt.Sprintf("`%s` does not appear to be a valid cursor.", cursor)}
		}
		return i, nil
	}
	if after := args.text("after"); after != "" {
		i, err := at(after)
		if err != nil {
			return nil, err
		}
		from = i + 1
	}
	if before := args.text("before"); before != "" {
		i, err := at(before)
		if err != nil {
			return nil, err
		}
		to = max(from, i)
	}
	if hasFirst {
		to = min(to, from+first)
	}
	if hasLast {
		from = max(from, to-last)
	}
	c := connection{kind: kind, total: len(items), before: from > 0, after: to < len(items)}
	for _, t := range items[from:to] {
		c.nodes = append(c.nodes, wrap(t))
	}
	c.cursor = func(i int) string { return base64.StdEncoding.EncodeToString([]byte("cursor:" + key(items[from+i]))) }
	return c, nil
}

func (c connection) typename() string { return c.kind }

func (c connection) field(_ *execution, name string, _ arguments) (any, error) {
	switch name {
	case "nodes":
		return append([]value{}, c.nodes...), nil
	case "totalCount":
		return c.total, nil
	case "pageInfo":
		return pageInfo{c}, nil
	}
	return nil, unresolved(c, name)
}

type pageInfo struct{ connection }

func (pageInfo) typename() string { return "PageInfo" }

func (p pageInfo) field(_ *execution, name string, _ arguments) (any, error) {
	switch name {
	case "hasNextPage":
		return p.after, nil
	case "hasPreviousPage":
		return p.before, nil
	case "startCursor", "endCursor":
		if len(p.nodes) == 0 {
			return nil, nil
		}
		if name == "startCursor" {
			return p.cursor(0), nil
		}
		return p.cursor(len(p.nodes) - 1), nil
	}
	return nil, unresolved(p, name)
}

// unresolved is the error of a field that the schema has and the code has not.
func unresolved(v value, name string) error {
	return fmt.Errorf("ghsim does not answer %s.%s", v.typename(), name)
}
