package report

import (
	"fmt"
	"html/template"
	"math"
	"strings"
)

// Measures of the chart, in pixels.
const (
	chartWidth   = 880
	panelsAcross = 2
	panelWidth   = chartWidth / panelsAcross
	panelTop     = 62
	panelHead    = 30
	barPitch     = 23
	barHeight    = 15
	labelWidth   = 136
	valueWidth   = 64
	barsWidth    = panelWidth - labelWidth - valueWidth - 20
	footHeight   = 56
)

// A Panel is the part of the chart for one algorithm.
type Panel struct {
	Algorithm string
	Bars      []Bar
}

// A Bar is the time that one library takes, in multiples of the bare signature check.
type Bar struct {
	Label string
	Kind  Kind
	Times float64
}

// A Kind is whose bar it is.
type Kind string

// The kinds.
const (
	Bare  Kind = "bare"
	Ours  Kind = "ours"
	Other Kind = "other"
)

// What the template needs of a panel and a bar.
type (
	drawnPanel struct {
		X, Y, Bottom int
		Algorithm    string
		Bare         float64 // where the line of the bare signature check is
		Bars         []drawnBar
	}
	drawnBar struct {
		Bar
		Value          string
		Y, TextY       int
		ValueX, Length float64
	}
)

// Chart draws the panels, and says below them what they were measured on. It is an SVG document.
func Chart(panels []Panel, machine, versions string) (string, error) {
	longest := 1.0
	for _, p := range panels {
		for _, b := range p.Bars {
			longest = max(longest, b.Times)
		}
	}
	scale := barsWidth / longest
	var drawn []drawnPanel
	height := 0
	for i, p := range panels {
		tall := panelHead + barPitch*len(p.Bars) + 16
		d := drawnPanel{
			X: i % panelsAcross * panelWidth, Y: panelTop + i/panelsAcross*tall, Bottom: panelHead + barPitch*len(p.Bars) - 4,
			Algorithm: p.Algorithm, Bare: labelWidth + scale,
		}
		for j, b := range p.Bars {
			y, length := panelHead+barPitch*j, max(1.5, scale*b.Times)
			d.Bars = append(d.Bars, drawnBar{
				Bar: b, Value: multiple(b.Times), Y: y, TextY: y + barHeight - 3, Length: length, ValueX: labelWidth + length + 6,
			})
		}
		drawn = append(drawn, d)
		height = max(height, d.Y+tall)
	}
	var out strings.Builder
	err := chartTemplate.Execute(&out, map[string]any{
		"Width": chartWidth, "Height": height + footHeight, "Right": chartWidth - 1, "Bottom": height + footHeight - 1,
		"Foot": height + 18, "Label": labelWidth, "BarHeight": barHeight,
		"Panels": drawn, "Machine": machine, "Versions": versions,
	})
	return out.String(), err
}

// multiple writes a ratio with as many digits as say something.
func multiple(times float64) string {
	digits := 2
	if times < 0.1 {
		digits = int(math.Ceil(-math.Log10(times))) + 1
	}
	return fmt.Sprintf("%.*f ×", digits, times)
}

// The colours are for a light ground and for a dark one, and the ground is the chart's own: a page may be dark where the
// reader's system is light.
var chartTemplate = template.Must(template.New("chart").Parse(`<svg xmlns="http://www.w3.org/2000/svg" width="{{.Width}}" height="{{.Height}}" viewBox="0 0 {{.Width}} {{.Height}}" role="img" aria-labelledby="t">
<title id="t">The time of one check in multiples of the bare signature check, for each library and algorithm</title>
<style>
text { font: 13px system-ui, -apple-system, "Segoe UI", "Noto Sans", Helvetica, Arial, sans-serif; fill: #1f2328; }
.title { font-size: 16px; font-weight: 600; }
.head { font-size: 14px; font-weight: 600; }
.soft { fill: #59636e; font-size: 12px; }
.label { text-anchor: end; }
.ground { fill: #ffffff; stroke: #d8dee4; }
rect.ours { fill: #0b7a4b; }
rect.bare { fill: #57606a; }
rect.other { fill: #9aa5b1; }
text.ours { font-weight: 600; }
line { stroke: #59636e; stroke-dasharray: 2 3; }
@media (prefers-color-scheme: dark) {
text { fill: #e6edf3; }
.soft { fill: #9198a1; }
.ground { fill: #0d1117; stroke: #30363d; }
rect.ours { fill: #3fb97f; }
rect.bare { fill: #b1bac4; }
rect.other { fill: #596573; }
line { stroke: #9198a1; }
}
</style>
<rect class="ground" x="0.5" y="0.5" width="{{.Right}}" height="{{.Bottom}}" rx="6"/>
<text class="title" x="20" y="30">From the Authorization value to a proven token</text>
<text class="soft" x="20" y="49">Processor time, in multiples of the bare signature check. Less is better.</text>
{{range .Panels}}<g transform="translate({{.X}} {{.Y}})">
<text class="head" x="20" y="18">{{.Algorithm}}</text>
{{range .Bars}}<text class="label {{.Kind}}" x="{{$.Label}}" dx="-8" y="{{.TextY}}">{{.Label}}</text><rect class="{{.Kind}}" x="{{$.Label}}" y="{{.Y}}" width="{{printf "%.1f" .Length}}" height="{{$.BarHeight}}" rx="2"/><text class="{{.Kind}}" x="{{printf "%.1f" .ValueX}}" y="{{.TextY}}">{{.Value}}</text>
{{end}}<line x1="{{printf "%.1f" .Bare}}" x2="{{printf "%.1f" .Bare}}" y1="26" y2="{{.Bottom}}"/>
</g>
{{end}}<text class="soft" x="20" y="{{.Foot}}">{{.Machine}}</text>
<text class="soft" x="20" y="{{.Foot}}" dy="18">{{.Versions}}</text>
</svg>
`))
