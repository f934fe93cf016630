package proxies_test
import (
 _ "github.com/certbound/certbound/binding/bindingtest"
 _ "github.com/stretchr/testify/require"
)
