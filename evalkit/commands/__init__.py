"""The commands beside those of one comparison, a file each; `evalkit.cli` holds compare, gate, report, run and judges."""

import typer

from evalkit.commands import doctor, export, imports, init, labels, plan, rank, suites, sweep, view


def add_to(app: typer.Typer) -> None:
    """Every command of this room, in the order in which `evalkit --help` lists them."""
    app.add_typer(suites.app, name="suites")
    app.add_typer(labels.app, name="judge")  # the app of `judge`, to which `labels` has added its own
    app.add_typer(imports.app, name="import")
    app.command("export")(export.export)
    app.command()(plan.plan)
    app.command()(rank.rank)
    app.command(epilog=sweep.EPILOG)(sweep.sweep)
    app.command()(init.init)
    app.command()(doctor.doctor)
    app.command()(view.view)
