"""Service messages: errors, greetings, requests and instructions that stand in place of a caption.

They are whole texts or first sentences; the same words on a sign are quoted, or have a subject.
"""

import re

_ERRORS = (
    r"(?:(?:http )?(?:error )?[45]\d\d:? )?(?:internal server error|bad gateway|service unavailable"
    r"|gateway timeout|too many requests|rate limit (?:exceeded|reached))\b.{0,80}$"
    r"|(?:upstream |api |http )?error(?: \d{3})?: .{0,80}$|cuda (?:error|out of memory)\b.{0,200}$"
    r"|(?:the )?model (?:is )?(?:overloaded|unavailable|not found)\b.{0,80}$"
    r"|you(?:'ve|’ve| have) exceeded your (?:current )?quota\b"
    r"|(?:this|the) model (?:does not|doesn['’]t|cannot|can['’]t) (?:support|process|accept"
    r"|read) \w{0,9} ?(?:images?|pictures?|vision)"
    r"|image input(?:s)? (?:is|are) not supported|(?:content|request|response) blocked\b.{0,60}$"
    r"|blocked by (?:the )?(?:content|safety) filters?\W{0,2}$|(?:no content"
    r"|empty response)\W{0,2}$"
    r"|(?:the )?image (?:is )?(?:not available|unavailable|not found|(?:could not"
    r"|cannot) be (?:loaded|processed|read|opened))\W{0,2}$"
)
_GREETINGS = (
    r"(?:hello|hi(?: there)?|hallo|bonjour|¡?hola|ciao|olá|bok|cześć|hej|hei|merhaba|szia|ahoj"
    r"|здравствуйте|привет|вітаю|你好|您好|こんにちは|안녕하세요|مرحبا)\s?[!！,，。.]\s{0,2}"
    r"(?:$|(?:how|what|wie|was|comment|que|¿?en qué|¿?cómo|come|cosa|como|em que|kako|hoe|waarmee"
    r"|jak|w czym|hur|hvordan|hvad|hva|miten|kuinka|nasıl|size|miben|hogyan|чем|як|чим|有什么"
    r"|有什麼"
    r"|我能|何か|무엇|كيف).{0,80}[?？]$)"
    r"|(?:how (?:may|can) i (?:help|assist)|what can i do for) you\b"
)
_NO_IMAGE = (
    r"(?:il n['’]y a pas d['’]image|no hay (?:ninguna )?imagen|no se proporcionó ninguna imagen"
    r"|nema slike|nie ma obrazu|kein bild(?: vorhanden)?|nessuna immagine"
    r"|nenhuma imagem foi fornecida"
    r"|não há imagem|geen afbeelding|画像がありません|没有图片|沒有圖片|没有提供图片"
    r"|изображения нет"
    r"|нет изображения|이미지가 없습니다|이미지가 제공되지 않았습니다|لا توجد صورة|ingen bild"
    r"|intet billede"
    r"|ei kuvaa|görsel yok|nincs kép|žádný obrázek|ni slike)\W{0,2}$"
)
_UPLOADS = (
    r"(?:bitte (?:laden|lade|senden|sende) |veuillez (?:télécharger|envoyer|fournir) "
    r"|por favor,? (?:sube|suba|envía|envíe|envie|adjunta) |molim (?:vas|te),? (?:učitaj|pošalji)"
    r"|carica(?:te)? l['’]immagine|upload (?:alstublieft|alsjeblieft) |proszę (?:przesłać"
    r"|załączyć) "
    r"|画像をアップロードして|请上传|請上傳|пожалуйста, (?:загрузите|отправьте) "
    r"|이미지를 업로드|يرجى تحميل|could you (?:please )?(?:share|upload|send) |vänligen ladda upp "
    r"|prosím,? nahrajte |lütfen .{0,20}yükle)"
)
_INSTRUCTIONS = (
    r"(?:you are an expert|answer in (?:english|german|french|spanish|the)|(?:ignore"
    r"|disregard) (?:the above|all|any)"
    r" ?(?:and write|previous|prior)|du bist ein|antworte (?:nur|auf)|ignoriere (?:alle|die)"
    r"|tu es un|ignore toutes les instructions|rédige un texte|eres un|ignora (?:todas"
    r"|tutte) l[ae]s? "
    r"|sei un assistente|você é um|ignore todas as |zanemari (?:sve|prethodne) "
    r"|ti si (?:koristan|pomoćnik)"
    r"|negeer alle |je bent een (?:behulpzame|expert)|zignoruj (?:wszystkie|poprzednie)|jesteś "
    r"(?:pomocnym|ekspertem)|以前の指示|これまでの指示|あなたは.{0,12}(?:アシスタント|専門家)"
    r"|忽略(?:之前|以上|所有)|你是一(?:个|個|位|名).{0,12}(?:助手|助理|专家|專家)"
    r"|请用.{1,6}回答|請用.{1,6}回答"
    r"|تجاهل (?:جميع|كل) |игнорируй(?:те)? |ты (?:полезный )?(?:ассистент|помощник)|이전 지시"
    r"|당신은 .{0,12}(?:어시스턴트|전문가))"
)
# Languages without a file of phrases.
_REFUSALS = (
    r"(?:xin lỗi,? |rất tiếc,? |tôi không thể |λυπάμαι|δεν μπορώ να |ขออภัย|ขอโทษ"
    r"|maaf,? (?:saya|aku|tapi)"
    r"|saya tidak (?:dapat|bisa) |îmi pare rău|nu pot (?:descrie|să)|съжалявам|не мога да |"
    r"ospravedlňujem sa|prepáčte,? |ho sento,? |no puc |atsiprašau|negaliu |vabandust|ma ei saa "
    r"|क्षमा करें|मैं इस |متاسفم|متأسفم|نمی\u200cتوانم |סליחה|אני לא יכול|mi spiace|žao mi je)"
)
_SERVICE_MESSAGE = re.compile(
    rf"[\[(\s]{{0,3}}(?:{_ERRORS}|{_GREETINGS}|{_NO_IMAGE}|{_UPLOADS}|{_INSTRUCTIONS}|{_REFUSALS})",
    re.IGNORECASE,
)
_MAX_CHARS = 400


def is_service_message(text: str) -> bool:
    """Whether the text begins as an error, a greeting, a request or an instruction does."""
    return _SERVICE_MESSAGE.match(text[:_MAX_CHARS]) is not None
