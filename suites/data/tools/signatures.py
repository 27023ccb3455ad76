"""The tools on offer: what a caller would pass to a model, arguments as JSON Schema.

Descriptions settle what a request could leave open (units, forms of dates), so that one call alone is right. None holds
`<`, `>`, `&` or an apostrophe, which Jinja's `tojson` would write as an escape.
"""

from __future__ import annotations

from typing import Any

Schema = dict[str, Any]

DATE: Schema = {"type": "string", "description": "YYYY-MM-DD", "pattern": r"^\d{4}-\d{2}-\d{2}$"}
TIME: Schema = {"type": "string", "description": "24 hours, HH:MM", "pattern": r"^\d{2}:\d{2}$"}
TEXT: Schema = {"type": "string"}
YES: Schema = {"type": "boolean"}
COUNT: Schema = {"type": "integer", "minimum": 1}
AMOUNT: Schema = {"type": "number", "minimum": 0}
CURRENCIES = ["CHF", "EUR", "GBP", "JPY", "USD"]


def one_of(*values: str) -> Schema:
    """One of a few words."""
    return {"type": "string", "enum": list(values)}


def many(of: Schema) -> Schema:
    """A list."""
    return {"type": "array", "items": of}


def thing(required: str, **properties: Schema) -> Schema:
    """An object; what `required` does not name may be left out, and nothing else may be added."""
    return {
        "type": "object",
        "properties": properties,
        "required": required.split(),
        "additionalProperties": False,
    }


def tool(description: str, required: str, **properties: Schema) -> tuple[str, Schema]:
    """A tool's description and its arguments."""
    return description, thing(required, **properties)


WEEKDAYS = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]

_TOOLS: dict[str, tuple[str, Schema]] = {
    "book_table": tool(
        "Books a table in a restaurant.",
        "restaurant date time guests",
        restaurant=TEXT,
        date=DATE,
        time=TIME,
        guests=COUNT,
        outdoor=YES,
    ),
    "send_email": tool("Sends an e-mail.", "to subject body", to=TEXT, subject=TEXT, body=TEXT, cc=many(TEXT)),
    "convert_currency": tool(
        "Converts an amount of money at the rate of today.",
        "amount source target",
        amount=AMOUNT,
        source=one_of(*CURRENCIES),
        target=one_of(*CURRENCIES),
    ),
    "set_timer": tool("Counts down and rings.", "minutes", minutes=COUNT, label=TEXT),
    "set_alarm": tool("Rings at a time of day.", "time", time=TIME, days=many(one_of(*WEEKDAYS))),
    "create_event": tool(
        "Puts an event into the calendar.",
        "title start minutes",
        title=TEXT,
        start=thing("date time", date=DATE, time=TIME),
        minutes={**COUNT, "description": "how long it lasts"},
        attendees=many(TEXT),
    ),
    "order_pizza": tool(
        "Orders pizzas of one kind.",
        "size toppings count",
        size=one_of("small", "medium", "large"),
        toppings=many(one_of("basil", "ham", "mushrooms", "olives", "onions", "peppers")),
        count=COUNT,
    ),
    "weather_forecast": tool(
        "Forecasts the weather of a city.",
        "city days",
        city=TEXT,
        days={"type": "integer", "minimum": 1, "maximum": 10},
        unit=one_of("celsius", "fahrenheit"),
    ),
    "play_music": tool(
        "Plays the songs of an artist.",
        "artist",
        artist=TEXT,
        volume={"type": "integer", "minimum": 0, "maximum": 100, "description": "percent"},
        shuffle=YES,
    ),
    "add_to_list": tool(
        "Adds things to a list.",
        "list items",
        list=one_of("camping", "groceries", "office"),
        items=many(thing("name quantity", name=TEXT, quantity=COUNT)),
    ),
    "plan_route": tool(
        "Plans a way from one place to another.",
        "start end mode",
        start=TEXT,
        end=TEXT,
        mode=one_of("foot", "bicycle", "car"),
        avoid=many(one_of("ferries", "motorways", "tolls")),
    ),
    "set_thermostat": tool(
        "Sets the temperature of a room.",
        "room celsius",
        room=one_of("bathroom", "bedroom", "kitchen", "study"),
        celsius={"type": "number"},
    ),
    "book_train": tool(
        "Books seats in a train.",
        "origin destination date class passengers",
        **{"origin": TEXT, "destination": TEXT, "date": DATE, "class": one_of("first", "second")},
        passengers=COUNT,
        return_date=DATE,
    ),
    "translate": tool(
        "Translates a text.",
        "text language",
        text=TEXT,
        language={**one_of("de", "es", "fr", "it", "pt"), "description": "to which language"},
    ),
    "create_invoice": tool(
        "Writes an invoice.",
        "customer lines due",
        customer=TEXT,
        lines=many(thing("item quantity unit_price", item=TEXT, quantity=COUNT, unit_price=AMOUNT)),
        due=DATE,
    ),
    "search_products": tool(
        "Searches a shop.",
        "category",
        category=one_of("chairs", "jackets", "lamps", "shoes"),
        max_price=AMOUNT,
        colour=TEXT,
        in_stock=YES,
    ),
    "log_workout": tool(
        "Notes down an exercise that was done.",
        "activity minutes",
        activity=one_of("cycling", "rowing", "running", "swimming"),
        minutes=COUNT,
        kilometres=AMOUNT,
    ),
    "reserve_room": tool(
        "Reserves a meeting room for a day.",
        "building seats date",
        building={**TEXT, "description": "its letter"},
        seats=COUNT,
        date=DATE,
        equipment=many(one_of("projector", "speakers", "whiteboard")),
    ),
    "transfer_money": tool(
        "Sends money to an account.",
        "account amount",
        account=TEXT,
        amount=thing("value currency", value=AMOUNT, currency=one_of(*CURRENCIES)),
        reference=TEXT,
    ),
    "move_file": tool("Moves a file.", "source target", source=TEXT, target=TEXT, overwrite=YES),
}

SIGNATURES: dict[str, Schema] = {
    name: {"name": name, "description": description, "parameters": parameters}
    for name, (description, parameters) in _TOOLS.items()
}

# Tools that might pass for one another; on offer beside one another, save where no tool is to fit.
NEAR = (
    {"set_timer", "set_alarm", "create_event"},
    {"book_table", "reserve_room", "create_event"},
    {"book_train", "plan_route"},
    {"convert_currency", "transfer_money", "create_invoice"},
    {"send_email", "translate"},
    {"add_to_list", "order_pizza", "search_products"},
)
