"""How the pages look.

Belongs here: the style sheet, by whose hash the pages' policy lets it in. Does not belong here: what is shown.
"""

CSS = """
* { box-sizing: border-box }
body { margin: 0; font: 15px/1.5 system-ui, "Segoe UI", Roboto, Arial, sans-serif; color: #172b4d; background: #fff }
header { background: #0747a6; color: #deebff; padding: 10px 28px }
header strong { color: #fff }
.columns { display: grid; grid-template-columns: minmax(0, 1fr) 320px; gap: 36px }
.columns { max-width: 1240px; padding: 0 28px 48px }
main { min-width: 0 }
body > main { padding: 0 28px 48px }
aside { margin-top: 56px; border: 1px solid #dfe1e6; border-radius: 4px; padding: 12px 18px; align-self: start }
h1 { font-size: 25px; line-height: 1.25; margin: 4px 0 20px; overflow-wrap: anywhere }
h2 { font-size: 16px; margin: 28px 0 8px }
.body { overflow-wrap: anywhere }
.body h1, .body h2, .body h3, .body h4, .body h5, .body h6 { font-size: 15px; margin: 18px 0 4px }
.body p, .body ul, .body ol, .body blockquote, .body table, .body pre, .body .panel { margin: 0 0 10px }
.path, .faint, .byline, figcaption { color: #5e6c84; font-size: 13px }
.path { margin: 18px 0 0 }
blockquote { border-left: 3px solid #c1c7d0; padding: 2px 14px; color: #42526e }
blockquote > :last-child, .panel > :last-child { margin-bottom: 0 }
pre { background: #f4f5f7; padding: 10px 14px; white-space: pre-wrap; border-radius: 3px; font-size: 13px }
code { background: #f4f5f7; padding: 1px 4px; border-radius: 3px; font-size: 13px }
.panel { background: #deebff; padding: 10px 14px; border-radius: 3px }
hr { border: 0; border-top: 1px solid #dfe1e6; margin: 16px 0 }
table { border-collapse: collapse }
td, th { border: 1px solid #dfe1e6; padding: 5px 10px; text-align: left; vertical-align: top }
th { background: #f4f5f7 }
figure { margin: 0 0 12px }
img { max-width: 100%; border: 1px solid #dfe1e6; border-radius: 3px; display: block }
article { border-top: 1px solid #dfe1e6; padding: 8px 0 }
article p.byline { margin: 0 0 4px }
section > ul { padding-left: 18px }
dl { display: grid; grid-template-columns: 104px 1fr; gap: 8px 12px; margin: 0; font-size: 14px }
dt { color: #5e6c84 }
dd { margin: 0; overflow-wrap: anywhere }
.label, .lozenge { display: inline-block; border-radius: 3px; padding: 0 6px; background: #dfe1e6 }
.label { font-size: 13px }
.lozenge { font-size: 11px; font-weight: 700; text-transform: uppercase; color: #42526e; vertical-align: middle }
.lozenge.indeterminate { background: #deebff; color: #0747a6 }
.lozenge.done { background: #e3fcef; color: #006644 }
a, .link { color: #0052cc }
.danger { color: #bf2600; background: #ffebe6; outline: 1px dashed #bf2600 }
.missing { color: #bf2600 }
@media (max-width: 820px) { .columns { grid-template-columns: minmax(0, 1fr) } aside { margin-top: 0 } }
"""
