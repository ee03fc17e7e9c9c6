def monitor_page(r): return r.model_dump_json(indent=1)
def summary(r): return f"{r.retrain} {r.since} {[ (x.cause,x.group,x.columns[:4],x.kinds,x.since) for x in r.reasons]}"
