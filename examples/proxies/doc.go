// Package proxies is documentation.
package proxies
