package measure_test

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/examples/benchmarks/internal/measure"
)

func TestEachRoundOfARunMeasuresEachWorkThatIsReady(t *testing.T) {
	t.Parallel()
	left, most, rounds := 0, 0, 0
	limited := measure.Work{
		Name: "limited", Most: 100,
		Prepare: func(n int) error {
			left, most = n, max(most, n)
			return nil
		},
		Once: func() error {
			if left--; left < 0 {
				return errors.New("more often than was prepared")
			}
			return nil
		},
	}
	free := measure.Work{Name: "free", Once: func() error { return nil }}
	samples, err := measure.Plan{Rounds: 3, Slice: time.Millisecond}.Run([]measure.Work{limited, free}, func(round int) {
		rounds++
		require.Equal(t, rounds, round)
	})
	require.NoError(t, err)
	require.Equal(t, 3, rounds)
	require.Equal(t, 100, most)
	require.Len(t, samples, 2)
	for i, name := range []string{"limited", "free"} {
		require.Equal(t, name, samples[i].Name)
		require.Len(t, samples[i].Nanos, 3)
		require.Positive(t, samples[i].Median())
	}
}

func TestAWorkThatFailsHasNoResult(t *testing.T) {
	t.Parallel()
	errWork := errors.New("not done")
	failing := measure.Work{Name: "failing", Once: func() error { return errWork }}
	_, err := measure.Plan{Rounds: 1, Slice: time.Millisecond}.Run([]measure.Work{failing}, nil)
	require.ErrorIs(t, err, errWork)
	_, err = measure.Allocations(failing, 1)
	require.ErrorIs(t, err, errWork)
	unready := measure.Work{Name: "unready", Once: func() error { return nil }, Prepare: func(int) error { return errWork }}
	_, err = measure.Plan{Rounds: 1, Slice: time.Millisecond}.Run([]measure.Work{unready}, nil)
	require.ErrorIs(t, err, errWork)
}

// A ratio is of what was measured in the same round: that the machine was slower in some of them does not matter.
func TestARatioIsTakenRoundByRound(t *testing.T) {
	t.Parallel()
	slow := measure.Sample{Nanos: []float64{20, 400, 22, 2000, 30}}
	fast := measure.Sample{Nanos: []float64{10, 200, 10, 1000, 10}}
	require.Equal(t, measure.Spread{Low: 2, Median: 2, High: 2.2}, measure.Ratio(slow, fast))
	require.InDelta(t, 10, fast.Median(), 0)
	require.InDelta(t, 15, measure.Sample{Nanos: []float64{20, 10}}.Median(), 0)
	require.InDelta(t, 7, measure.Sample{Nanos: []float64{7}}.Median(), 0)
}

var sink []byte

// It is not parallel: what others allocate would count.
func TestAllocationsAreCounted(t *testing.T) {
	n, err := measure.Allocations(measure.Work{Name: "three", Once: func() error {
		for range 3 {
			sink = make([]byte, 100)
		}
		return nil
	}}, 1000)
	require.NoError(t, err)
	require.Equal(t, 3, n)
}
