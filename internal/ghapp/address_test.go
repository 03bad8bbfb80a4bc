package ghapp_test

import (
	"testing"

	"github.com/relbot/relbot/internal/ghapp"
)

// TestAddresses holds that each form of GitHub has its API, its GraphQL endpoint and its pages where GitHub documents them, both ways.
func TestAddresses(t *testing.T) {
	for _, c := range []struct{ web, api, graphql string }{
		{"https://github.com", "https://api.github.com", "https://api.github.com/graphql"},
		{"https://octocorp.ghe.com", "https://api.octocorp.ghe.com", "https://api.octocorp.ghe.com/graphql"},
		{"https://github.example.com", "https://github.example.com/api/v3", "https://github.example.com/api/graphql"},
		{"https://ghe.com.example.org", "https://ghe.com.example.org/api/v3", "https://ghe.com.example.org/api/graphql"},
		{"https://api.example.com", "https://api.example.com/api/v3", "https://api.example.com/api/graphql"},
		{"https://git.example.com:8443", "https://git.example.com:8443/api/v3", "https://git.example.com:8443/api/graphql"},
		{"http://127.0.0.1:3000", "http://127.0.0.1:3000/api/v3", "http://127.0.0.1:3000/api/graphql"},
	} {
		for _, slash := range []string{"", "/"} {
			if got := ghapp.APIURL(c.web + slash); got != c.api {
				t.Errorf("APIURL(%s) = %s, want %s", c.web+slash, got, c.api)
			}
			if got := ghapp.WebURL(c.api + slash); got != c.web {
				t.Errorf("WebURL(%s) = %s, want %s", c.api+slash, got, c.web)
			}
			if got := ghapp.GraphQLURL(c.api + slash); got != c.graphql {
				t.Errorf("GraphQLURL(%s) = %s, want %s", c.api+slash, got, c.graphql)
			}
		}
	}
	// An address that is none of these is taken literally.
	for _, api := range []string{"http://api.github.test", "https://proxy.example.com/github"} {
		if got := ghapp.WebURL(api); got != api {
			t.Errorf("WebURL(%s) = %s", api, got)
		}
	}
}
