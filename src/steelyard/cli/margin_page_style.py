"""How the page of explanations looks, by day and by night, and what it does when touched."""

STYLE = """
:root{color-scheme:light dark;--ground:light-dark(#f5f7f9,#10161c);--panel:light-dark(#fff,#18212a);
--ink:light-dark(#1c2733,#e4eaf0);--mute:light-dark(#5f6c79,#94a3b1);--line:light-dark(#e3e8ed,#2a3641);
--up:light-dark(#d55e00,#f0883e);--down:light-dark(#0072b2,#58a6e0);--total:light-dark(#33475b,#a9bccd);
--left:light-dark(#00805e,#3fb58f);--short:light-dark(#c62828,#ff7b72);--touch:light-dark(#eef3f8,#212d38)}
:root[data-theme=light]{color-scheme:light}:root[data-theme=dark]{color-scheme:dark}
*{box-sizing:border-box}body{margin:0;font:14px/1.45 system-ui,sans-serif;color:var(--ink);background:var(--ground);
font-variant-numeric:tabular-nums}button,input{font:inherit;color:inherit}
.top{display:flex;gap:1rem;align-items:center;padding:.6rem 1.1rem;border-bottom:1px solid var(--line);
background:var(--panel);position:sticky;top:0;z-index:3;flex-wrap:wrap}
.top h1{font-size:1.05rem;margin:0}.top .said{color:var(--mute);flex:1;min-width:12rem}
.switch{display:inline-flex;border:1px solid var(--line);border-radius:6px;overflow:hidden}
.switch button,.plain{border:0;background:none;padding:.25rem .7rem;cursor:pointer;color:var(--mute)}
.plain{border:1px solid var(--line);border-radius:6px}
.switch button[aria-pressed=true]{background:var(--touch);color:var(--ink);font-weight:600}
.layout{display:grid;grid-template-columns:20rem minmax(0,1fr);align-items:start}
nav{position:sticky;top:3.1rem;height:calc(100vh - 3.1rem);overflow:auto;border-right:1px solid var(--line);
background:var(--panel);padding:.7rem}
nav input{width:100%;padding:.35rem .6rem;border:1px solid var(--line);border-radius:6px;background:var(--ground);
margin-bottom:.5rem}
nav a{display:grid;grid-template-columns:minmax(0,1fr) auto;gap:0 .6rem;padding:.4rem .55rem;border-radius:6px;color:inherit;
text-decoration:none;border-left:3px solid transparent}
nav a:hover{background:var(--touch)}nav a.chosen{background:var(--touch);border-left-color:var(--down)}
nav a b{font-weight:600;overflow:hidden;text-overflow:ellipsis;white-space:nowrap}
nav a span{color:var(--mute);font-size:.82rem;overflow:hidden;text-overflow:ellipsis;white-space:nowrap}
nav a .need{text-align:right;color:var(--ink);font-size:.9rem}nav a .state{text-align:right}
.covered{color:var(--left)!important}.tight{color:var(--up)!important}.short,.error{color:var(--short)!important}
main{padding:1rem 1.3rem 3rem;min-width:0}section.case{display:none;max-width:1500px;margin:0 auto}
section.case.chosen,section.case:target{display:block}
body:not(:has(section.case:target)):not(.live) section.case:first-of-type{display:block}
section.case{scroll-margin-top:8rem}
h2{font-size:1.35rem;margin:.2rem 0 .1rem;overflow-wrap:anywhere}h3{font-size:1rem;margin:0}p{margin:.2rem 0}
.by{color:var(--mute);margin-bottom:.8rem;overflow-wrap:anywhere}
.panel{--amount:max(7.2rem,calc(var(--wide,8ch)*1.1 + 1.2rem))}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(max(9rem,calc(var(--wide,8ch)*1.25 + 3.6rem)),1fr));gap:.7rem;margin-bottom:.9rem}
.tile,.panel{background:var(--panel);border:1px solid var(--line);border-radius:9px}
.tile{padding:.6rem .8rem}.tile span{color:var(--mute);font-size:.85rem;display:block}
.tile b{font-size:1.2rem;font-weight:650;white-space:nowrap}.tile small{color:var(--mute);display:block}
.panel{padding:.85rem 1rem;margin-bottom:.9rem;overflow-x:auto}
.head{display:flex;flex-wrap:wrap;gap:.2rem 1rem;align-items:baseline;margin-bottom:.5rem}.head p{color:var(--mute);margin:0}
.row{display:grid;grid-template-columns:minmax(11rem,17rem) minmax(9rem,1fr) var(--amount) minmax(9rem,1fr) var(--amount);
align-items:center}[data-level=both] .row,body:not([data-level]) .row{min-width:52rem}
[data-level=initial] .maintenance,[data-level=maintenance] .initial{display:none}
[data-level=initial] .row,[data-level=maintenance] .row{grid-template-columns:minmax(7rem,20rem) minmax(7rem,1fr) var(--amount)}
.lane.maintenance{margin-left:1.4rem}[data-level=maintenance] .lane.maintenance{margin-left:0}
.row:not(.axis):hover{background:var(--touch)}
.lane{position:relative;height:100%;min-height:1.45rem;background:var(--grid)}
.bar{position:absolute;top:22%;bottom:22%;min-width:2px;border-radius:2px;background:var(--up)}
.bar.down{background:var(--down)}.deep .bar{top:32%;bottom:32%;opacity:.62}
.bar.total{background:var(--total)}.bar.equity{background:none;border:1.5px solid var(--total)}
.bar.left{background:var(--left)}
.bar.open{border-right:0;border-radius:2px 0 0 2px;mask:linear-gradient(90deg,#000 70%,transparent)}
.bar.short{background:repeating-linear-gradient(135deg,var(--short) 0 5px,transparent 5px 9px);
border:1.5px solid var(--short)}
.label{padding-right:.8rem;overflow:hidden;text-overflow:ellipsis;white-space:nowrap}
.label small{color:var(--mute);margin-left:.5rem}.deep .label{padding-left:1.1rem;color:var(--mute)}
.deeper .label{padding-left:2.2rem}.row.part .label,.row.sum .label{font-weight:600}
.amount{text-align:right;padding:0 .2rem 0 .7rem;white-space:nowrap}.deep .amount{color:var(--mute)}
.row.sum .amount{font-weight:650}.row.sum.first{border-top:1px solid var(--total);margin-top:.2rem}
.axis .lane{background:none;height:2.6rem;border-bottom:1px solid var(--line)}
.axis i{position:absolute;bottom:0;transform:translateX(-50%);font-style:normal;font-size:.78rem;color:var(--mute)}
.axis em{position:absolute;top:0;transform:translateX(-50%);font-style:normal;font-size:.8rem;white-space:nowrap;font-weight:600}
.axis em.far{right:0;transform:none}.axis em.right{transform:translateX(-100%)}.axis em.near{transform:none}
.axis .amount{font-weight:600;align-self:start}
.scenario>div:first-child{white-space:nowrap;overflow:hidden;text-overflow:ellipsis}
.scenario{display:grid;grid-template-columns:minmax(9rem,32rem) minmax(6rem,1fr) var(--amount);align-items:center}
.scenario.binds>div{font-weight:600}.scenario .lane{min-height:1.6rem}
.tag{display:inline-block;font-size:.76rem;font-weight:600;padding:0 .45rem;border-radius:9px;border:1px solid currentColor;
margin-left:.5rem}
table{border-collapse:collapse;width:100%}th,td{padding:.17rem .7rem;text-align:right;border-bottom:1px solid var(--line);
white-space:nowrap}th{color:var(--mute);font-weight:500;vertical-align:bottom}.word{text-align:left}td.wrap{white-space:normal;
min-width:15rem}tr.part td{font-weight:600;border-top:1px solid var(--line)}tr.group td{color:var(--mute)}tr.group td.word{padding-left:1.2rem}tr.leg td.word{padding-left:2.4rem}tr.sum td{font-weight:700;border-top:2px solid var(--total)}
tbody tr:hover td{background:var(--touch)}.rest{opacity:.45}.adds{color:var(--up)}.frees{color:var(--down)}
.chip{display:inline-block;margin:.08rem .5rem .08rem 0;white-space:nowrap}.legs .chip{display:block}
.strategies td{vertical-align:top}.strategies th{white-space:normal}.strategies th,.strategies td{padding-left:.5rem;padding-right:.5rem}.strategies .tag{margin-left:0}tr.why td{color:var(--mute);padding-top:0}
.strategies tr:has(+tr.why) td{border-bottom:0}.chip b{font-weight:600}
.sketch{width:8.2rem;height:2.75rem;display:block}.sketch polyline{fill:none;stroke:var(--ink);stroke-width:1.4}
.sketch .zero{stroke:var(--mute);stroke-width:.7}.sketch .gain{fill:var(--left);opacity:.4}.sketch .loss{fill:var(--short);opacity:.4}
details summary{cursor:pointer;color:var(--mute)}.none{color:var(--mute)}
.fault{border-left:4px solid var(--short)}.fault dt{color:var(--mute);float:left;clear:left;width:5rem}.fault dd{margin:0 0 .3rem 5.5rem}
@media(max-width:900px){.layout{display:block}.row,.scenario{min-width:0}nav{position:relative;top:0;height:auto;max-height:16rem;border-right:0}main{padding:1rem .7rem}}
@media print{.top,nav{display:none}.layout{display:block}.panel{break-inside:avoid}body{background:none}}
"""

SCRIPT = """
const all = [...document.querySelectorAll('section.case')], links = [...document.querySelectorAll('nav a')];
const keep = (name, value) => { try { localStorage.setItem('steelyard-' + name, value); } catch { /* not allowed here */ } };
const kept = name => { try { return localStorage.getItem('steelyard-' + name); } catch { return null; } };
function choose(id, moves) {
  const at = Math.max(0, all.findIndex(each => each.id === id));
  all.forEach((each, i) => each.classList.toggle('chosen', i === at));
  links.forEach((each, i) => each.classList.toggle('chosen', i === at));
  if (!all[at]) return;
  document.title = all[at].dataset.title;
  if (moves) { history.replaceState(null, '', '#' + all[at].id); scrollTo(0, 0); }
  const list = document.querySelector('nav'), top = links[at].offsetTop - list.scrollTop;
  if (top < 0 || top > list.clientHeight - 60) list.scrollTop = links[at].offsetTop - list.clientHeight / 2;
}
function level(name) {
  document.body.dataset.level = name;
  document.querySelectorAll('.levels button').forEach(
    each => each.setAttribute('aria-pressed', each.dataset.level === name));
  keep('level', name);
}
document.body.classList.add('live');
links.forEach(each => each.addEventListener('click', event => {
  event.preventDefault(); choose(each.hash.slice(1), true); }));
addEventListener('hashchange', () => choose(location.hash.slice(1), false));
addEventListener('keydown', event => {
  const step = {ArrowDown: 1, ArrowUp: -1, j: 1, k: -1}[event.key];
  if (!step || event.target.matches('input') && event.key.length === 1) return;
  const shown = links.filter(each => !each.hidden), at = shown.findIndex(each => each.classList.contains('chosen'));
  const next = shown[Math.min(shown.length - 1, Math.max(0, at + step))];
  if (next) { event.preventDefault(); choose(next.hash.slice(1), true); }
});
document.querySelector('nav input').addEventListener('input', event => {
  const sought = event.target.value.toLowerCase().split(/\\s+/);
  links.forEach(each => { each.hidden = !sought.every(word => each.textContent.toLowerCase().includes(word)); });
});
document.querySelectorAll('.levels button').forEach(
  each => each.addEventListener('click', () => level(each.dataset.level)));
document.querySelector('#theme').addEventListener('click', () => {
  const root = document.documentElement, night = matchMedia('(prefers-color-scheme: dark)').matches;
  const now = root.dataset.theme || (night ? 'dark' : 'light');
  root.dataset.theme = now === 'dark' ? 'light' : 'dark';
  keep('theme', root.dataset.theme);
});
if (kept('theme')) document.documentElement.dataset.theme = kept('theme');
level(kept('level') || (innerWidth < 900 ? 'initial' : 'both'));
choose(location.hash.slice(1), false);
"""
