"""`cairn serve`."""

import gc

from typer import Option

from cairn.commands.options import Policy, Trust, from_root, names


def main(
    *,
    model: str = Option(
        "models/model",
        metavar="DIR|REV|@STAGE",
        help="Folder of a saved model, or a branch, tag, commit, experiment or @STAGE",
    ),
    host: str = Option("127.0.0.1", help="Address to listen on; 0.0.0.0 for all interfaces"),
    port: int = Option(8000, min=0, max=65535, help="Port to listen on; 0 for any free one"),
    workers: int = Option(1, metavar="N", min=1, max=256, help="Number of processes"),
    policy: Policy = "flag",
    trust: Trust = None,
    log: str | None = Option(
        None, metavar="FOLDER", help="Keep inputs and predictions as Parquet files in this folder"
    ),
    api_key_env: str | None = Option(
        None, metavar="NAME", help="Environment variable with the API key that clients must send"
    ),
    follow: float | None = Option(
        None,
        metavar="SECONDS",
        min=0.1,
        help="Check for a new model every SECONDS, and load it",
    ),
    max_rows: int = Option(1000, metavar="N", min=1, help="Maximum number of rows per request"),
    max_bytes: int = Option(4_000_000, metavar="N", min=1, help="Maximum size of a request body in bytes"),
) -> None:
    """Answer HTTP requests with predictions.

    A row is sent as it comes from the source. /docs describes its columns, / is
    a form to try it. SIGHUP, or --follow where a stage or a branch has another
    model, loads the model again while requests go on; SIGTERM and Ctrl-C finish
    the requests in progress.

    Examples:
      cairn serve                                     models/model on port 8000
      cairn serve --model main --workers 4            the model of a branch
      cairn serve --model @prod --follow 30           the model in prod
      cairn serve --api-key-env KEY --log predictions/log
    """
    gc.disable()  # until the first model is loaded: what is made before stays
    try:
        from cairn.serve.server import serve
    except ModuleNotFoundError as error:
        from cairn.errors import UserError

        raise UserError(
            f"cairn serve needs the `serve` extra ({error.name} is missing): uv pip install -e .[serve]"
        ) from error
    from cairn.serve.body import Limits
    from cairn.serve.service import Options

    limits, folder = Limits(max_rows, max_bytes), log and from_root(log)
    options = Options(from_root(model), policy, limits, folder, api_key_env, tuple(names(trust)), follow)
    serve(options, host, port, workers)
