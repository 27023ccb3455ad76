"""Easy questions whose answer is one word, and the sentences that ask a model to forget its rule."""

FACTS = (
    ("What is the capital of Italy?", "Rome"),
    ("What is the capital of Japan?", "Tokyo"),
    ("What is the capital of Egypt?", "Cairo"),
    ("What is the capital of Spain?", "Madrid"),
    ("What is the capital of Norway?", "Oslo"),
    ("What is the capital of Greece?", "Athens"),
    ("Which planet is known as the red planet?", "Mars"),
    ("Which planet has the most visible rings?", "Saturn"),
    ("Which is the largest ocean?", "Pacific"),
    ("On which continent does Kenya lie?", "Africa"),
    ("Which metal is liquid at room temperature?", "Mercury"),
    ("Which gas do plants give off in sunlight?", "Oxygen"),
    ("What is the capital of Russia?", "Moscow"),
    ("What is the capital of Austria?", "Vienna"),
    ("Which month comes after May?", "June"),
    ("Which day comes after Sunday?", "Monday"),
    ("Which season comes after winter?", "Spring"),
    ("In which country does the Eiffel Tower stand?", "France"),
    ("In which country does the Great Sphinx stand?", "Egypt"),
    ("What is the capital of Portugal?", "Lisbon"),
)

NAMES = "Ada Amir Bela Chen Dina Elif Farid Greta Hana Ivan Jana Kira Lars Maya Nils Omar Priya Rosa Samir Vera".split()

PLACES = (
    "Harbour Museum", "Mill Street Library", "Northside Pool", "Old Town Theatre", "Hillside Campsite", "Riverside Clinic",
    "Sundial Bakery", "Station Garage", "Orchard School", "Lakeside Hotel",
)  # fmt: skip

# Answers tell the language that they are in.
LANGUAGES = ("German", "French", "Spanish")
# Words that stay as they are in a sentence (no endings that agree with a noun) and differ from the English one.
TRANSLATED = (
    ("What colour is the sky on a clear day?", ("blau", "bleu", "azul")),
    ("What do bees make?", ("Honig", "miel", "miel")),
    ("What is water called when it is frozen?", ("Eis", "glace", "hielo")),
    ("Which star gives us daylight?", ("Sonne", "soleil", "sol")),
    ("What falls from the clouds in drops?", ("Regen", "pluie", "lluvia")),
    ("Which drink do cows give?", ("Milch", "lait", "leche")),
    ("Which day comes after Monday?", ("Dienstag", "mardi", "martes")),
    ("Which day comes after Wednesday?", ("Donnerstag", "jeudi", "jueves")),
    ("Which day comes before Saturday?", ("Freitag", "vendredi", "viernes")),
    ("Which month comes after June?", ("Juli", "juillet", "julio")),
    ("Which month comes after February?", ("März", "mars", "marzo")),
    ("Which month comes before January?", ("Dezember", "décembre", "diciembre")),
    ("How many legs does a spider have? Write the number as a word.", ("acht", "huit", "ocho")),
    ("How many wheels does a car have? Write the number as a word.", ("vier", "quatre", "cuatro")),
    ("How many days are in a week? Write the number as a word.", ("sieben", "sept", "siete")),
    ("How many sides does a triangle have? Write the number as a word.", ("drei", "trois", "tres")),
)
