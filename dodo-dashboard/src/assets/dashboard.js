(()=>{
'use strict';
const $=(s,e=document)=>e.querySelector(s),all=(s,e=document)=>[...e.querySelectorAll(s)];
const main=$('#main'),status=$('.status');
let tag=main.dataset.tag,wait=10,failed=0,timer,quiet=Date.now();
const clock=()=>new Date().toLocaleTimeString([],{hour:'2-digit',minute:'2-digit'});
const weak=t=>(t||'').replace(/^W\//,'').replace(/-(gzip|br)"$/,'"');
// Charts: arrow keys walk through the columns, a box shows the numbers.
const dress=root=>all('.plot',root).forEach(plot=>{
const cols=all('.col',plot);if(!cols.length)return;
const box=plot.closest('.plotbox');if(box)box.scrollLeft=box.scrollWidth;
const tip=document.createElement('div');tip.className='tip';tip.hidden=true;plot.append(tip);
let over=false,going;
const hide=()=>{clearTimeout(going);going=setTimeout(()=>{if(!over)tip.hidden=true},150)};
const show=c=>{clearTimeout(going);tip.textContent=c.getAttribute('aria-label');tip.hidden=false;
const b=plot.getBoundingClientRect(),r=c.getBoundingClientRect(),m=r.left+r.width/2-b.left;
if(m<b.width/2){tip.style.left=m+r.width/2+4+'px';tip.style.right='auto'}else{tip.style.left='auto';tip.style.right=b.width-m+r.width/2+4+'px'}};
tip.addEventListener('mouseenter',()=>{over=true});tip.addEventListener('mouseleave',()=>{over=false;hide()});
cols.forEach((c,i)=>{const t=$('title',c);if(t){c.setAttribute('aria-label',t.textContent);t.remove()}
c.setAttribute('tabindex',i?-1:0);
c.addEventListener('mouseenter',()=>show(c));c.addEventListener('mouseleave',hide);
c.addEventListener('focus',()=>{cols.forEach(o=>o.setAttribute('tabindex',o===c?0:-1));show(c)});c.addEventListener('blur',hide);
c.addEventListener('keydown',e=>{const to={ArrowRight:i+1,ArrowLeft:i-1,Home:0,End:cols.length-1}[e.key];
if(e.key==='Escape'){tip.hidden=true;over=false}
else if(to!==undefined){e.preventDefault();const n=cols[Math.max(0,Math.min(cols.length-1,to))];n.focus()}})})});
// Live: the part that changed replaces the old one, and focus and folds stay.
const path=e=>{const p=[];for(;e&&e.id!=='live';e=e.parentElement){if(!e.parentElement)return null;p.unshift([...e.parentElement.children].indexOf(e))}return p};
const follow=(r,p)=>p&&p.reduce((e,i)=>e&&e.children[i],r);
const payments=()=>Number((($('[data-key=payments] .value')||{}).textContent||'').replace(/\D/g,''))||0;
const swap=html=>{const old=$('#live'),focus=old.contains(document.activeElement)?path(document.activeElement):null;
const open=all('details',old).map(d=>d.open),scrolls=all('.scroll,.plotbox',old).map(e=>e.scrollLeft),before=payments();
const values=new Map(all('[data-key]',old).map(e=>[e.dataset.key,e.textContent]));
const next=new DOMParser().parseFromString(html,'text/html').querySelector('#live');if(!next)return;
if(String(getSelection()))return false;
old.replaceWith(next);
all('details',next).forEach((d,i)=>{d.open=!!open[i]});
dress(next);
all('.scroll,.plotbox',next).forEach((e,i)=>{e.scrollLeft=scrolls[i]||0});
all('.tile[data-key]',next).forEach(e=>{if(values.get(e.dataset.key)!==e.textContent)e.classList.add('fresh')});
const f=follow(next,focus);if(f&&f.focus)f.focus({preventScroll:true});
const n=payments()-before;status.textContent=n>0?n+(n===1?' new payment':' new payments'):'Updated '+clock();
return true};
// One request at a time: an older answer must not follow a newer one.
let busy=false,again=false;
const poll=async()=>{clearTimeout(timer);if(document.hidden)return;
if(busy){again=true;return}
busy=true;
try{const u=new URL(location.href);u.searchParams.set('part','live');
const a=await fetch(u,{headers:tag?{'If-None-Match':tag}:{},credentials:'same-origin',redirect:'error',cache:'no-store'});
if(a.status===200){const t=a.headers.get('etag');
if(!t||weak(t)!==weak(tag)){if(swap(await a.text())!==false)tag=t;quiet=Date.now()}}
else if(a.status!==304)throw a.status;
if(failed){failed=0;status.textContent='Up to date'}wait=Date.now()-quiet>6e5?30:10}
catch{failed++;if(failed===1){wait=10;status.textContent='Not up to date since '+clock()}else wait=Math.min(wait*2,300)}
busy=false;
if(again){again=false;return poll()}
timer=setTimeout(poll,wait*1000)};
dress(document);
if(tag){status.textContent='Up to date';timer=setTimeout(poll,wait*1000);
document.addEventListener('visibilitychange',()=>{if(!document.hidden)poll()})}
})();
