"""Word lists of the ready-made hold rules: word beginnings, in English and other languages.

The lists hold too much rather than too little: a text held without need costs a glance, a wrong
text that is written may cost more. Words that are mostly harmless (patent leather, a cold drink)
are left out, because a rule that holds most rows is of no use.
"""

from __future__ import annotations

MEDICAL = (
    # English
    "x-ray", "xray", "radiograph", "radiolog", "mri scan", "ct scan", "ultrasound", "mammogra",
    "tumor", "tumour", "cancer", "carcinoma", "melanoma", "lesion", "wound", "biops", "surger",
    "surgical", "patient", "diagnos", "symptom", "dosage", "prescription", "medication", "syringe",
    "vaccin", "clinical", "dermat", "patholog", "histolog", "fracture", "infection", "therap",
    "disease", "hospital bed", "hospital ward", "pharmac", "pregnan", "amputat", "skin rash",
    "eczema", "psoria",
    # German
    "röntgen", "ultraschall", "krebs", "wunde", "wundh", "wundv", "operiert", "chirurg", "diagnose",
    "arznei", "medikament", "impf", "klinik", "klinisch", "krankheit", "krankenhaus", "schwanger",
    # French, Spanish, Italian
    "radiographie", "échographie", "plaie", "chirurgi", "médicament", "ordonnance", "maladie",
    "hôpital", "radiografía", "ecografía", "herida", "cirug", "medicamento", "enfermedad", "ferita",
    "chirurgic", "malattia", "ospedale", "farmaco",
    # Croatian, Bosnian, Serbian
    "rendgen", "ultrazvuk", "tumor", "kirurg", "hirurg", "lijek", "bolest", "bolnic", "cjepivo",
    "trudn",
)  # fmt: skip
LEGAL = (
    # English
    "affidavit", "lawsuit", "subpoena", "plaintiff", "defendant", "verdict", "testimon",
    "courtroom", "court order", "court document", "attorney", "notary", "notari", "warrant",
    "indictment", "contract", "legal", "liabilit", "settlement agreement", "deed of",
    "power of attorney", "passport", "identity card", "driving licence", "driver's license",
    "birth certificate", "crime scene", "evidence", "mugshot", "mug shot", "arrest",
    # German
    "vertrag", "gericht", "klage", "anwalt", "notar", "urteil", "reisepass", "personalausweis",
    "haftung", "beweis", "tatort", "verhaft",
    # French, Spanish, Italian
    "contrat", "tribunal", "avocat", "notaire", "passeport", "carte d'identité", "jugement",
    "contrato", "abogad", "notario", "pasaporte", "sentencia", "demanda judicial", "contratto",
    "tribunale", "avvocat", "notaio", "passaporto", "sentenza",
    # Croatian, Bosnian, Serbian
    "ugovor", "sudsk", "odvjetnik", "advokat", "putovnic", "pasoš", "osobna iskaznica", "presud",
)  # fmt: skip
TITLES = (
    "Mr", "Mrs", "Ms", "Miss", "Dr", "Prof", "Professor", "Sir", "Dame", "Lady", "Lord", "Rev",
    "President", "Minister", "Senator", "Mayor", "Governor", "Judge", "Captain", "Coach", "CEO",
    "Herr", "Frau", "Bürgermeister", "Ministerin", "Präsident", "Präsidentin", "Monsieur", "Madame",
    "Mme", "Mlle", "Señor", "Señora", "Sr", "Sra", "Don", "Doña", "Signor", "Signora", "Gospodin",
    "Gospođa", "Gđa",
)  # fmt: skip
"""Titles: followed by a capitalised word, they begin a person's name."""
GIVEN_NAMES = (
    # Left out: names that are often places, months or things (Paris, April, Rose, Mark).
    "Aaron", "Abdul", "Adam", "Adrian", "Agnes", "Ahmed", "Aisha", "Alan", "Albert", "Alejandro",
    "Aleksandar", "Alessandro", "Alex", "Alexander", "Alexandra", "Alfred", "Ali", "Alice",
    "Alicia", "Alison", "Amanda", "Amina", "Amy", "Ana", "Anastasia", "Andrea", "Andreas", "Andrej",
    "Andrew", "André", "Angela", "Anita", "Anja", "Ann", "Anna", "Anne", "Anthony", "Antoine",
    "Anton", "Antonio", "Arthur", "Astrid", "Barbara", "Beatrice", "Ben", "Benjamin", "Bernard",
    "Bob", "Boris", "Brian", "Bruno", "Camille", "Carla", "Carlos", "Carmen", "Carol", "Caroline",
    "Catherine", "Charles", "Charlotte", "Chris", "Christian", "Christina", "Christine",
    "Christopher", "Claire", "Clara", "Claudia", "Daniel", "Daniela", "Danijel", "Darko", "David",
    "Deborah", "Denis", "Diana", "Diego", "Dieter", "Dmitri", "Dominik", "Donald", "Dora",
    "Dorothy", "Dragan", "Edward", "Elena", "Elisabeth", "Elizabeth", "Ella", "Emanuel", "Emil",
    "Emily", "Emma", "Eric", "Erik", "Ernst", "Esther", "Eva", "Fatima", "Felix", "Fernando",
    "Filip", "Franz", "François", "Frank", "Frederick", "Friedrich", "Fritz", "Gabriel", "Gary",
    "George", "Georg", "Gerhard", "Giovanni", "Giulia", "Giuseppe", "Goran", "Greta", "Guido",
    "Gustav", "Hannah", "Hans", "Harry", "Hassan", "Heinrich", "Helen", "Helena", "Helga", "Henry",
    "Hillary", "Hugo", "Ibrahim", "Ian", "Igor", "Inge", "Ingrid", "Irena", "Irene", "Isabel",
    "Isabella", "Ivan", "Ivana", "Jacob", "Jakob", "James", "Jan", "Jane", "Janet", "Jason",
    "Javier", "Jean", "Jelena", "Jennifer", "Jessica", "Jim", "Joan", "Joe", "Johann", "Johannes",
    "John", "Jonas", "Jonathan", "Jorge", "Josef", "Joseph", "José", "Josip", "Juan", "Judith",
    "Julia", "Julian", "Julie", "Jürgen", "Karen", "Karl", "Karin", "Katarina", "Kate", "Katharina",
    "Katherine", "Kathleen", "Kevin", "Klaus", "Konrad", "Kristina", "Lars", "Laura", "Lea", "Lena",
    "Leon", "Leonardo", "Lewis", "Liam", "Linda", "Lisa", "Louis", "Louise", "Luca", "Lucas",
    "Lucia", "Lucy", "Luis", "Luka", "Lukas", "Maja", "Manuel", "Marco", "Margaret", "Maria",
    "Mariam", "Marie", "Marija", "Mario", "Marko", "Marta", "Martha", "Martin", "Mary", "Mateo",
    "Matthew", "Matthias", "Max", "Maximilian", "Maya", "Megan", "Mehmet", "Mia", "Michael",
    "Michel", "Michelle", "Miguel", "Mike", "Milan", "Mohamed", "Mohammed", "Monica", "Monika",
    "Nadia", "Nancy", "Natalia", "Natalie", "Nathan", "Nicholas", "Nicole", "Nikola", "Nikolai",
    "Nina", "Noah", "Nora", "Oliver", "Olivia", "Omar", "Oscar", "Otto", "Pablo", "Patricia",
    "Patrick", "Paul", "Paula", "Pavel", "Pedro", "Peter", "Petra", "Philip", "Philippe", "Pierre",
    "Priya", "Rachel", "Ralph", "Raphael", "Rebecca", "Ricardo", "Richard", "Robert", "Roberto",
    "Roger", "Roland", "Ronald", "Rudolf", "Samuel", "Sandra", "Sara", "Sarah", "Sebastian",
    "Sergej", "Silvia", "Simon", "Simone", "Sofia", "Sophia", "Sophie", "Stefan", "Stephanie",
    "Stephen", "Steve", "Steven", "Susan", "Susanne", "Sven", "Teresa", "Theodor", "Theresa",
    "Thomas", "Tim", "Timothy", "Tom", "Tomislav", "Ursula", "Valentina", "Vera", "Vesna", "Viktor",
    "Vincent", "Vladimir", "Walter", "Werner", "Wilhelm", "William", "Wolfgang", "Xavier", "Yasmin",
    "Yusuf", "Zoran", "Élise", "Łukasz",
)  # fmt: skip
"""Given names: followed by a capitalised word, they are most likely a person's name."""
PEOPLE_COLUMNS = ("people", "person", "persons", "persons_shown", "person_shown", "portrait_of")
"""Columns that name a person unless they are empty."""
KNOWN_LANGUAGES = frozenset(
    {"ar", "bs", "cs", "da", "de", "en", "es", "fi", "fr", "hr", "hu", "it", "ja", "ko", "nb", "nl",
     "no", "pl", "pt", "ru", "sl", "sr", "sv", "tr", "uk", "zh"}
)  # fmt: skip
"""Languages for which the server has rules (openers, labels, refusals). Captions in others are
checked less, and models write them less reliably."""
