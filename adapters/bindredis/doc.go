// Package bindredis remembers used DPoP proofs (RFC 9449 §11.1) in Redis or
// Valkey, so that a proof which one replica has accepted is refused by all of
// them.
//
//	replays, err := bindredis.New(bindredis.Config{
//		Client: valkey.ClientOption{InitAddress: []string{"redis.internal:6379"}},
//	})
//	// ...
//	defer replays.Close()
//	proofs, err := dpop.New(dpop.Config{
//		Origins: []string{"https://api.bank.example"},
//		Replays: replays,
//	})
//
// # What it asks of the server
//
// One command for each accepted proof, and no script:
//
//	SET <prefix><22 characters> <16 random bytes> NX GET PX <milliseconds>
//
// The answer is nil for the first use, and otherwise the value that is stored.
// If that is our own random value, the answer to our first attempt was lost on
// its way back, and this still is the first use. So the command can be repeated
// safely, and is, within [Config.Timeout].
//
// NX together with GET needs Redis 7.0 or any Valkey. An older server is
// refused at the first connection, with an error record in the log.
//
// The memory must not forget: set maxmemory-policy to noeviction. A key that was
// evicted is a proof that is good once more. With noeviction a full server
// refuses to write, and requests are answered 503. Another policy is written to
// the log at the first connection, as a warning, if the server lets this user see
// it (INFO or CONFIG GET). Managed servers often have another by default.
//
// # When the server is away
//
// A request that cannot ask is answered 503 replays_unavailable, with
// Retry-After, within [Config.Timeout] (250 ms). An outage must not be a way to
// replay. [Config.DangerouslyUseMemoryWhenAway] accepts that risk: each replica
// then remembers by itself until the server is back.
//
// # What may be lost
//
// A server that restarts empty, and a fail-over to a replica that had not yet
// received the last writes, forget. A proof whose record is lost can be used a
// second time, for as long as it is fresh: at most [dpop.Config]'s MaxAge and
// twice its Leeway, 120 s by default; with RequireNonce, NonceLifetime and
// Leeway, 330 s by default. RFC 9449 §11.1 concedes that single use
// cannot always be enforced. Whoever needs more lets the primary wait for its
// replicas (min-replicas-to-write), at the price of 503 when one is missing.
//
// The server lets a key go by its own clock, of the time of day. One whose clock is
// set forward forgets as much sooner, and so does a replica that takes a primary's
// place with a clock that is ahead: keep all of them synchronized, and let their
// clocks be slewed, not stepped.
//
// A resource server whose clock is set back by more than Leeway accepts again
// what was too old before, and its record may be gone by then: let its clock be
// slewed, not stepped.
//
// Nonces do not take the place of this memory. One nonce serves many requests,
// and a proof that was captured is as good as its nonce, for as long as that
// lives: §11.1 allows a nonce to be used many times only if jti is tracked.
//
// # How much it takes
//
// A key takes about 112 bytes in Redis 7.0. It lives for at most 126 s by
// default: as long as its proof is fresh, and for 6 s that another use may be
// on its way. So r accepted proofs a second are r commands a second and r * 126
// * 112 bytes: 14 MB for 1,000 a second, 1.4 GB for 100,000. A million a second
// would need 14 GB, and some ten shards of a cluster, one of which serves
// 100,000 such commands a second. Every command has one key, so that a cluster
// spreads them by itself. With RequireNonce a proof is fresh for as long as its
// nonce: a key lives for at most 336 s by default, and 1,000 a second take 38 MB.
//
// # With another client
//
// [dpop.ReplayStore] has one method. With github.com/redis/go-redis/v9:
//
//	type store struct{ client *redis.Client }
//
//	func (s store) Remember(ctx context.Context, id [32]byte, ttl time.Duration) (bool, error) {
//		ctx, cancel := context.WithTimeout(ctx, 250*time.Millisecond)
//		defer cancel()
//		key := "certbound:dpop:" + base64.RawURLEncoding.EncodeToString(id[:16])
//		own := rand.Text()[:16] // crypto/rand; as long as a Store's, which may have the same records
//		there, err := s.client.SetArgs(ctx, key, own, redis.SetArgs{Mode: "NX", Get: true, TTL: ttl}).Result()
//		if errors.Is(err, redis.Nil) {
//			return true, nil
//		}
//		return there == own, err
//	}
//
//	client := redis.NewClient(&redis.Options{
//		Addr:                  "redis.internal:6379",
//		ContextTimeoutEnabled: true, // without it a silent server is waited for, whatever the context says
//		MaxRetries:            1,    // for a connection that the server has closed
//	})
//
// [dpop.Config]: https://pkg.go.dev/github.com/certbound/certbound/jwks/dpop#Config
// [dpop.ReplayStore]: https://pkg.go.dev/github.com/certbound/certbound/jwks/dpop#ReplayStore
package bindredis
