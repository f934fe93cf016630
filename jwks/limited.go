package jwks

import "time"

// limited counts the tokens whose key was not looked for because the budget was
// spent. The first is told at once, and how many followed once a minute while
// there are any.
type limited struct {
	all    uint64
	untold int
	timer  *time.Timer // of the next report, or nil
}

const reportEvery = time.Minute

// countLimited counts a token. The caller holds mu, and the keys are not closed.
func (k *remoteKeys) countLimited() {
	k.limited.all++
	k.limited.untold++
	if k.limited.timer == nil {
		k.reportLimited()
	}
}

// reportLimited tells what was counted and sees to the next report.
func (k *remoteKeys) reportLimited() {
	k.events.Put(Event{Kind: KeyFetchLimited, Tokens: k.limited.untold, Usable: k.usable() != nil})
	k.limited.untold = 0
	k.running.Add(1)
	k.limited.timer = time.AfterFunc(reportEvery, func() {
		defer k.running.Done()
		k.mu.Lock()
		defer k.mu.Unlock()
		k.limited.timer = nil
		if k.limited.untold > 0 && !k.closed {
			k.reportLimited()
		}
	})
}

// fetchLimited returns how many tokens were counted.
func (k *remoteKeys) fetchLimited() uint64 {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.limited.all
}

// stopReporting ends the reports. The caller holds mu.
func (k *remoteKeys) stopReporting() {
	if k.limited.timer != nil && k.limited.timer.Stop() {
		k.running.Done()
	}
}
