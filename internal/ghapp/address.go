package ghapp

import (
	"net/url"
	"strings"
)

// GitHub has three forms. On github.com and on a tenant of GitHub Enterprise Cloud with data residency (SUBDOMAIN.ghe.com) the API is a host
// of its own, api.HOST. A GitHub Enterprise Server has it below /api/v3 of the same host.
// Sources: "Network details for GHE.com" in GitHub's docs, and gitify-app/gitify#2560, where a client asked a tenant for /api/v3.

// ownAPI reports whether a GitHub whose pages are at an address has a host of its own for its API.
func ownAPI(u *url.URL) bool {
	host := strings.ToLower(u.Hostname())
	return host == "github.com" || strings.HasSuffix(host, ".ghe.com")
}

// GraphQLURL returns the GraphQL endpoint that belongs to a REST API.
func GraphQLURL(api string) string {
	if base, ok := strings.CutSuffix(strings.TrimSuffix(api, "/"), "/api/v3"); ok {
		return base + "/api/graphql"
	}
	return strings.TrimSuffix(api, "/") + "/graphql"
}

// WebURL returns the address of the pages that belong to a REST API.
func WebURL(api string) string {
	api = strings.TrimSuffix(api, "/")
	if u, err := url.Parse(api); err == nil && u.Path == "" {
		if host, found := strings.CutPrefix(u.Host, "api."); found {
			u.Host = host
			if ownAPI(u) {
				return u.String()
			}
		}
	}
	return strings.TrimSuffix(api, "/api/v3")
}

// APIURL returns the REST API of the GitHub whose pages are at an address.
func APIURL(web string) string {
	web = strings.TrimSuffix(web, "/")
	if u, err := url.Parse(web); err == nil && ownAPI(u) {
		u.Host = "api." + u.Host
		return u.String()
	}
	return web + "/api/v3"
}
