package policy_test

import (
	"encoding/json"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"testing"
	"unicode/utf8"

	"github.com/goccy/go-yaml"

	"github.com/relbot/relbot/internal/policy"
)

// schema is the policy's JSON Schema, held against documents by the few words that it uses.
type schema map[string]any

func theSchema(t testing.TB) schema {
	t.Helper()
	var s schema
	if err := json.Unmarshal(policy.Schema(), &s); err != nil {
		t.Fatal(err)
	}
	return s
}

// document is a YAML text as an editor shows it to a schema: JSON's types.
func document(text []byte) (any, error) {
	var v any
	if err := yaml.Unmarshal(text, &v); err != nil {
		return nil, err
	}
	data, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	err = json.Unmarshal(data, &v)
	return v, err
}

func kinds(v any) []string {
	switch v := v.(type) {
	case nil:
		return []string{"null"}
	case bool:
		return []string{"boolean"}
	case string:
		return []string{"string"}
	case []any:
		return []string{"array"}
	case map[string]any:
		return []string{"object"}
	case float64:
		if v == float64(int64(v)) {
			return []string{"number", "integer"}
		}
		return []string{"number"}
	}
	panic(fmt.Sprintf("%T", v))
}

// accepts reports whether a schema accepts a value. A word that it does not know fails the test.
func accepts(t testing.TB, s schema, v any) bool {
	t.Helper()
	object, isObject := v.(map[string]any)
	array, isArray := v.([]any)
	text, isText := v.(string)
	number, isNumber := v.(float64)
	inner := func(name string) schema { return schema(s[name].(map[string]any)) }
	for name, want := range s {
		ok := true
		switch name {
		case "$schema", "title", "description", "default":
		case "type":
			var types []string
			for _, w := range anyOf(want) {
				types = append(types, w.(string))
			}
			ok = slices.ContainsFunc(kinds(v), func(k string) bool { return slices.Contains(types, k) })
		case "enum":
			ok = slices.ContainsFunc(want.([]any), func(w any) bool { return reflect.DeepEqual(w, v) })
		case "const":
			ok = reflect.DeepEqual(want, v)
		case "anyOf":
			ok = slices.ContainsFunc(want.([]any), func(w any) bool { return accepts(t, w.(map[string]any), v) })
		case "not":
			ok = !accepts(t, inner(name), v)
		case "pattern":
			ok = !isText || regexp.MustCompile(want.(string)).MatchString(text)
		case "minLength":
			ok = !isText || utf8.RuneCountInString(text) >= int(want.(float64))
		case "maxLength":
			ok = !isText || utf8.RuneCountInString(text) <= int(want.(float64))
		case "minimum":
			ok = !isNumber || number >= want.(float64)
		case "minItems":
			ok = !isArray || len(array) >= int(want.(float64))
		case "items":
			for _, e := range array {
				ok = ok && accepts(t, inner(name), e)
			}
		case "minProperties":
			ok = !isObject || len(object) >= int(want.(float64))
		case "maxProperties":
			ok = !isObject || len(object) <= int(want.(float64))
		case "required":
			for _, w := range want.([]any) {
				_, there := object[w.(string)]
				ok = ok && (there || !isObject)
			}
		case "properties":
			for k, w := range want.(map[string]any) {
				if e, there := object[k]; there {
					ok = ok && accepts(t, w.(map[string]any), e)
				}
			}
		case "additionalProperties":
			known, _ := s["properties"].(map[string]any)
			for k, e := range object {
				if _, is := known[k]; !is {
					ok = ok && want != false && accepts(t, inner(name), e)
				}
			}
		case "propertyNames":
			for k := range object {
				ok = ok && accepts(t, inner(name), k)
			}
		default:
			t.Fatalf("the schema says %q, which this test does not know", name)
		}
		if !ok {
			return false
		}
	}
	return true
}

func anyOf(v any) []any {
	if list, ok := v.([]any); ok {
		return list
	}
	return []any{v}
}
