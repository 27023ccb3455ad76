# ruff: noqa: D103 (a wish is named by the tool that grants it)
"""Requests in words, each with the arguments it asks for. What a request does not speak of is not among them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, timedelta
from random import Random
from typing import Any

Wish = tuple[str, dict[str, Any]]

CITIES = "Bergen Bilbao Cork Dresden Ghent Graz Krakow Lille Lugano Malmo Porto Turin Utrecht Zagreb".split()
PEOPLE = "Amir Bela Chen Dina Elif Farid Greta Hana Ivan Jana Kira Lars Maya Nils Omar Priya".split()
NUMBERS = "two three four five six seven eight nine ten eleven twelve".split()
MONEY = {
    "CHF": "Swiss francs",
    "EUR": "euros",
    "GBP": "British pounds",
    "JPY": "Japanese yen",
    "USD": "US dollars",
}
LANGUAGES = {"de": "German", "es": "Spanish", "fr": "French", "it": "Italian", "pt": "Portuguese"}
DAYS = {"mon": "Monday", "tue": "Tuesday", "wed": "Wednesday", "thu": "Thursday", "fri": "Friday", "sat": "Saturday", "sun": "Sunday"}  # fmt: skip
SUBJECTS = (
    "Minutes of the meeting",
    "New opening hours",
    "Your parcel",
    "Room for Friday",
    "Spare keys",
    "Summer fair",
)
BODIES = (
    "The minutes are on the shared drive",
    "We open at nine from next week",
    "It arrived today and is on your desk",
    "Please tell me how many of you are coming",
    "I left them with the neighbours",
    "Can you bring the blue tent",
)


def some(rng: Random, odds: float = 0.5) -> bool:
    return rng.random() < odds


def number(rng: Random, low: int, high: int) -> tuple[str, int]:
    """A count, in a word where it has a short one and chance will have it."""
    value = rng.randint(low, high)
    return (NUMBERS[value - 2] if 2 <= value <= 12 and some(rng) else str(value)), value


def day(rng: Random, after: str = "2031-01-01") -> tuple[str, str]:
    """A date as people write it, and in ISO 8601."""
    found = date.fromisoformat(after) + timedelta(days=rng.randint(1, 200))
    month = found.strftime("%B")
    return rng.choice((f"{found.day} {month} {found.year}", f"{month} {found.day}, {found.year}")), found.isoformat()


def clock(rng: Random, low: int, high: int) -> tuple[str, str]:
    """A time of day as people say it, and as HH:MM."""
    hour, minute = rng.randint(low, high), rng.choice((0, 5, 15, 20, 30, 40, 45, 50))
    half = "in the morning" if hour < 12 else "in the afternoon" if hour < 18 else "in the evening"
    shown = (hour - 1) % 12 + 1
    said = f"{shown} o'clock {half}" if minute == 0 else f"{shown}:{minute:02} {half}"
    if minute == 30 and some(rng):
        said = f"half past {shown} {half}"
    elif minute == 15 and some(rng):
        said = f"a quarter past {shown} {half}"
    return said, f"{hour:02}:{minute:02}"


def span(rng: Random) -> tuple[str, int]:
    """A length of time as people say it, and in minutes."""
    return rng.choice(
        (
            *[(f"{n} minutes", n) for n in rng.sample(range(5, 56), 3)],
            ("half an hour", 30),
            ("an hour", 60),
            ("an hour and a half", 90),
            ("two hours", 120),
            ("two and a half hours", 150),
            ("an hour and ten minutes", 70),
        )
    )


def price(rng: Random, low: int, high: int) -> tuple[str, float]:
    value = rng.randint(low * 2, high * 2) / 2
    return (f"{value:.0f}", int(value)) if value.is_integer() else (f"{value:.2f}", value)


def listed(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def book_table(rng: Random) -> Wish:
    place = rng.choice(("Casa Verde", "The Old Mill", "Blue Heron", "Da Paolo", "Golden Carp"))
    on, iso = day(rng)
    at, time = clock(rng, 17, 21)
    guests, count = number(rng, 2, 12)
    wanted: dict[str, Any] = {"restaurant": place, "date": iso, "time": time, "guests": count}
    request = f"We are {guests} people and would like to eat at {place} on {on}, at {at}. Please book that."
    if some(rng):
        wanted["outdoor"] = some(rng)
        request += " Outdoors, please." if wanted["outdoor"] else " Not outdoors, please."
    return request, wanted


def send_email(rng: Random) -> Wish:
    to, *others = [f"{name.lower()}@example.org" for name in rng.sample(PEOPLE, 3)]
    at = rng.randrange(len(SUBJECTS))
    wanted: dict[str, Any] = {"to": to, "subject": SUBJECTS[at], "body": BODIES[at]}
    request = f'Write to {to} with the subject "{SUBJECTS[at]}". The message is: "{BODIES[at]}"'
    if some(rng):
        wanted["cc"] = others[: rng.randint(1, 2)]
        request += f" Copies go to {listed(wanted['cc'])}."
    return request, wanted


def convert_currency(rng: Random) -> Wish:
    source, target = rng.sample(sorted(MONEY), 2)
    said, amount = price(rng, 10, 900)
    ask = rng.choice(("How much is {} {} in {} today?", "I have {} {}. What do I get for that in {}?"))
    return ask.format(said, MONEY[source], MONEY[target]), {"amount": amount, "source": source, "target": target}


def set_timer(rng: Random) -> Wish:
    said, minutes = span(rng)
    label = rng.choice(("bread", "eggs", "laundry", "parking meter", "rice"))
    if some(rng):
        return f'Ring in {said} from now, and label it "{label}".', {"minutes": minutes, "label": label}
    return f"Start counting down now and ring in {said}.", {"minutes": minutes}


def set_alarm(rng: Random) -> Wish:
    at, time = clock(rng, 5, 9)
    if some(rng):
        days = [short for short in DAYS if some(rng, 0.35)] or ["sat"]
        said = listed([f"{DAYS[short]}" for short in days])
        return f"Wake me at {at} every {said}.", {"time": time, "days": days}
    return f"I have to get up at {at}. Please wake me.", {"time": time}


def create_event(rng: Random) -> Wish:
    title = rng.choice(("Budget review", "Choir practice", "Dentist", "Garden club", "Parents evening", "Roof repair"))
    on, iso = day(rng)
    at, time = clock(rng, 8, 20)
    said, minutes = span(rng)
    wanted: dict[str, Any] = {"title": title, "start": {"date": iso, "time": time}, "minutes": minutes}
    request = f'Put "{title}" into my calendar for {on}. It starts at {at} and takes {said}.'
    if some(rng):
        wanted["attendees"] = rng.sample(PEOPLE, rng.randint(1, 3))
        request += f" With me: {listed(wanted['attendees'])}."
    return request, wanted


def order_pizza(rng: Random) -> Wish:
    size = rng.choice(("small", "medium", "large"))
    toppings = rng.sample(("basil", "ham", "mushrooms", "olives", "onions", "peppers"), rng.randint(1, 4))
    count, value = number(rng, 2, 6)
    return (
        f"We are hungry: {count} {size} pizzas, all of them with {listed(toppings)}, please.",
        {"size": size, "toppings": toppings, "count": value},
    )


def weather_forecast(rng: Random) -> Wish:
    city = rng.choice(CITIES)
    said, days = number(rng, 2, 10)
    wanted: dict[str, Any] = {"city": city, "days": days}
    request = f"What will the weather in {city} be like over the next {said} days?"
    if some(rng):
        wanted["unit"] = rng.choice(("celsius", "fahrenheit"))
        request += f" Give the temperatures in {wanted['unit'].title()}."
    return request, wanted


def play_music(rng: Random) -> Wish:
    artist = rng.choice(("The Paper Boats", "Lena Marsh", "Northern Tram", "Silver Ferns", "Otto and the Owls"))
    wanted: dict[str, Any] = {"artist": artist}
    request = rng.choice((f"I feel like hearing {artist}", f"Put on something by {artist}"))
    if some(rng):
        wanted["volume"] = rng.randrange(10, 100, 5)
        request += f", at {wanted['volume']} percent of the volume"
    if some(rng):
        wanted["shuffle"] = some(rng)
        request += ". Shuffle the songs" if wanted["shuffle"] else ". Do not shuffle the songs"
    return f"{request}.", wanted


def add_to_list(rng: Random) -> Wish:
    which, stock = rng.choice(
        (
            ("groceries", ("apples", "eggs", "lemons", "onions", "buns")),
            ("office", ("pens", "envelopes", "folders", "markers")),
            ("camping", ("pegs", "torches", "ropes", "blankets")),
        )
    )
    items, said = [], []
    for name in rng.sample(stock, rng.randint(1, 3)):
        count, value = number(rng, 2, 24)
        items.append({"name": name, "quantity": value})
        said.append(f"{count} {name}")
    return f"Do not let me forget {listed(said)}. They go on the {which} list.", {"list": which, "items": items}


def plan_route(rng: Random) -> Wish:
    start, end = rng.sample(CITIES, 2)
    mode, how = rng.choice((("foot", "on foot"), ("bicycle", "by bicycle"), ("car", "by car")))
    wanted: dict[str, Any] = {"start": start, "end": end, "mode": mode}
    request = f"How do I get from {start} to {end} {how}?"
    if mode == "car" or some(rng):
        wanted["avoid"] = rng.sample(("ferries", "motorways", "tolls") if mode == "car" else ("ferries",), 1)
        request += f" I want to avoid {listed(wanted['avoid'])}."
    return request, wanted


def set_thermostat(rng: Random) -> Wish:
    room = rng.choice(("bathroom", "bedroom", "kitchen", "study"))
    degrees = rng.randint(32, 48) / 2
    value = int(degrees) if degrees.is_integer() else degrees
    ask = rng.choice(("It should be {} degrees in the {}.", "Please heat to {} degrees. I mean the {}."))
    return ask.format(value, room), {"room": room, "celsius": value}


def book_train(rng: Random) -> Wish:
    origin, destination = rng.sample(CITIES, 2)
    on, iso = day(rng)
    travellers, count = number(rng, 2, 9)
    wanted: dict[str, Any] = {"origin": origin, "destination": destination, "date": iso}
    wanted |= {"class": rng.choice(("first", "second")), "passengers": count}
    request = f"I need train tickets from {origin} to {destination} for {travellers} people, {wanted['class']} class, on {on}."
    if some(rng):
        back, wanted["return_date"] = day(rng, iso)
        request += f" We come back on {back}."
    return request, wanted


def translate(rng: Random) -> Wish:
    text = rng.choice(BODIES)
    language = rng.choice(sorted(LANGUAGES))
    ask = rng.choice(('What is "{}" in {}?', 'How would one say "{}" in {}?'))
    return ask.format(text, LANGUAGES[language]), {"text": text, "language": language}


def create_invoice(rng: Random) -> Wish:
    customer = rng.choice(("Harbour Books", "Mill Bakery", "Northside Garage", "Velo Service"))
    lines, said = [], []
    for item in rng.sample(("desk", "shelf", "stool", "cupboard"), rng.randint(1, 2)):
        count, value = number(rng, 2, 9)
        each, unit_price = price(rng, 20, 300)
        lines.append({"item": item, "quantity": value, "unit_price": unit_price})
        said.append(f'{count} times "{item}" at {each} each')
    by, due = day(rng)
    request = f"Bill {customer} for {listed(said)}. It is due on {by}."
    return request, {"customer": customer, "lines": lines, "due": due}


def search_products(rng: Random) -> Wish:
    wanted: dict[str, Any] = {"category": rng.choice(("chairs", "jackets", "lamps", "shoes"))}
    request = f"Show me {wanted['category']}"
    if some(rng):
        wanted["colour"] = rng.choice(("black", "blue", "green", "red", "white"))
        request += f" in {wanted['colour']}"
    if some(rng):
        said, wanted["max_price"] = price(rng, 20, 200)
        request += f" for at most {said}"
    if some(rng):
        wanted["in_stock"] = True
        request += ", only what is in stock"
    return f"{request}.", wanted


def log_workout(rng: Random) -> Wish:
    activity = rng.choice(("cycling", "rowing", "running", "swimming"))
    minutes = rng.randint(35, 95)
    wanted: dict[str, Any] = {"activity": activity, "minutes": minutes}
    if some(rng):
        far, wanted["kilometres"] = price(rng, 2, 4)
        return f"Today's exercise was {activity}: {far} kilometres in {minutes} minutes.", wanted
    return f"Today's exercise was {minutes} minutes of {activity}.", wanted


def reserve_room(rng: Random) -> Wish:
    building = rng.choice("ABCDEF")
    seats, count = number(rng, 4, 30)
    on, iso = day(rng)
    wanted: dict[str, Any] = {"building": building, "seats": count, "date": iso}
    request = f"On {on} we need a meeting room for {seats} people in building {building}"
    if some(rng):
        wanted["equipment"] = rng.sample(("projector", "speakers", "whiteboard"), rng.randint(1, 2))
        request += f", with {listed(wanted['equipment'])}"
    return f"{request}.", wanted


def transfer_money(rng: Random) -> Wish:
    account = f"ZZ{rng.randint(10, 99)} {rng.randint(1000, 9999)} {rng.randint(1000, 9999)}"
    currency = rng.choice(sorted(MONEY))
    said, value = price(rng, 5, 900)
    wanted: dict[str, Any] = {"account": account, "amount": {"value": value, "currency": currency}}
    request = f'Pay {said} {MONEY[currency]} to the account "{account}"'
    if some(rng):
        wanted["reference"] = f"Invoice {rng.randint(100, 999)}"
        request += f' with the reference "{wanted["reference"]}"'
    return f"{request}.", wanted


def move_file(rng: Random) -> Wish:
    name = rng.choice(("notes.txt", "plan.pdf", "photo.jpg", "budget.csv"))
    old, new = rng.sample(("archive", "drafts", "inbox", "projects", "shared"), 2)
    wanted: dict[str, Any] = {"source": f"/{old}/{name}", "target": f"/{new}/{name}"}
    request = f"{wanted['source']} should become {wanted['target']}"
    if some(rng):
        wanted["overwrite"] = some(rng)
        request += f", and a file that is there already may {'' if wanted['overwrite'] else 'not '}be overwritten"
    return f"{request}.", wanted


WISHES: dict[str, Callable[[Random], Wish]] = {
    wish.__name__: wish
    for wish in (
        book_table, send_email, convert_currency, set_timer, set_alarm, create_event, order_pizza, weather_forecast,
        play_music, add_to_list, plan_route, set_thermostat, book_train, translate, create_invoice, search_products,
        log_workout, reserve_room, transfer_money, move_file,
    )
}  # fmt: skip
