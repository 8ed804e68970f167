"""Attack drafts: a good sentence in wrapping that no rule was written for when they were invented.

In a template `@S` is the sentence, `@O` another one, `@A` an instruction, `@U` and `@M` the names
of the user and the assistant in the language. What came out besides the sentence was read, and each
kind got its rule.
"""

from collections.abc import Iterator

from testing.draft_fuzzer import FuzzedDraft

_LANGUAGES = {
    "en": (
        "A grey cat sleeps on a folded newspaper beside a cup of tea.", "A dog sits.",
        "Describe this picture in one sentence.", "User", "Assistant",
    ),
    "de": (
        "Eine graue Katze schläft auf einer Zeitung neben einer Tasse Tee.", "Ein Hund sitzt.",
        "Beschreibe dieses Bild in einem Satz.", "Benutzer", "Assistent",
    ),
    "fr": (
        "Un chat gris dort sur un journal plié à côté d’une tasse de thé.", "Un chien est assis.",
        "Décris cette image en une phrase.", "Utilisateur", "Assistant",
    ),
    "es": (
        "Un gato gris duerme sobre un periódico doblado junto a una taza de té.", "Un perro.",
        "Describe esta imagen en una frase.", "Usuario", "Asistente",
    ),
    "hr": (
        "Siva mačka spava na presavijenim novinama pored šalice čaja.", "Pas sjedi.",
        "Opiši ovu sliku jednom rečenicom.", "Korisnik", "Asistent",
    ),
    "ja": (
        "灰色の猫が折りたたまれた新聞の上で、お茶のカップの隣で眠っている。", "犬が座っている。",
        "この画像を一文で説明してください。", "ユーザー", "アシスタント",
    ),
}  # fmt: skip
TEMPLATES: dict[str, tuple[str, ...]] = {
    "role": (
        "<|user|>\n@A\n<|model|>\n@S", "[assistant]: @S", "(assistant) @S", "Assistant said: @S",
        "**AI:** @S", "<assistant_response>@S</assistant_response>", "@S\n<user>",
        "@S <|user|> Thanks! <|assistant|> You're welcome.",
        "user: @A\nassistant: @S\nuser: shorter\nassistant:",
        "### Instruction:\n@A\n\n### Response:\n@S\n\n### Instruction:", "@U: @A\n@M: @S",
        "@U : @A @M : @S", "@M: @S", "ASSISTANT >> @S", "assistant|@S", "role=assistant @S",
        "ChatGPT said:\n@S", "model\n\n@S\n\nuser\n\n", "@S\n\nYou: thanks", "A: @S",
        "Speaker 1: @S", "[@M] @S", "user\n@A\n\nassistant\n\n@S\n\nuser\n@A\n\nassistant\n\n@O",
        "**User:** @A\n\n**Assistant:** @S", "Assistant → @S", "@S\n### User:", "@S (assistant)",
        "@S\nassistant: ", "<<assistant>> @S", "human: @A ai: @S", "@S </assistant>",
        "assistantfinal @S", "analysisThe image is simple.assistantfinal@S",
        "assistant\nassistant\nassistant\n@S", "Me: @A\nYou: @S", "user@A assistant@S",
        "{{user}}: @A\n{{char}}: @S", "<human>: @A\n<bot>: @S", "AI Assistant: @S", "@S\n\nHuman",
    ),
    "token": (
        "<|im_sep|>@S", "<|fim_middle|>@S", "@S<|fim_pad|>", "@S[EOS]", "@S</output>",
        "@S </s></s></s>", "<pad><pad>@S", "@S<end_of_image>", "[ASSISTANT]@S[/ASSISTANT]",
        "<|text|>@S<|/text|>", "@S<eot_id>", "«|im_end|» @S",
        "@S<｜tool▁calls▁end｜>", "Ġ@S", "@SĊ",
        "##@S", "</s><s>@S", "<extra_id_0> @S", "@S <extra_id_1>", "[CLS] @S [SEP]", "@S [MASK]",
        "<CAPTION>@S", "<DETAILED_CAPTION>@S</DETAILED_CAPTION>",
        "<OD>cat<loc_12><loc_99><loc_40><loc_88> @S", "@S<loc_12><loc_99><loc_40><loc_88>",
        "@S (12,99),(40,88)", '@S {"bbox": [12, 99, 400, 880]}', "@S [x1=12, y1=99, x2=40, y2=88]",
        "<p>@S</p><box>[[012,099,400,880]]</box>", "@S <|box_start|>", "IMAGE_TOKEN @S",
        "<image_placeholder> @S", "@S<unk>", "@S <|endoftext|>@O<|endoftext|>", "@S<|im_start|>",
        "_START_ @S _END_", "@S EOS", "@S </SPECIAL_1>", "<s> @S </s> <s> @O </s>", "⁇ @S", "@S ⁇",
        "<NUM>1</NUM> @S", "@S ▁▁", "@S<|image|>", "(image) @S", "[image: cat.png] @S",
        "@S im_end",
    ),
    "fence": (
        "````\n@S\n````", "```\n@S", "'''@S'''", "~~~text\n@S", "```alt\n@S\n```",
        "```caption: @S```", "<pre><code>@S</code></pre>", "`@S", "@S`", "```\nalt: @S\n```",
        "```json\n```\n@S", "@S\n```", "``` ``` @S ``` ```", "```diff\n+ @S\n- @O\n```",
        "´´´@S´´´", "`````@S`````",
    ),
    "json": (
        '{"alt": {"LOC": "@S"}}', '{"caption": "@S", "confidence": 0.9, "lang": "LOC"}',
        '{\'alt_text\': "@S"}', '{caption: "@S"}', '{"alt_text":"@S"',
        '{"alt_text":"@S"} {"alt_text":"@O"}', '["@S", "@O"]', '{"data":[{"caption":"@S"}]}',
        '"alt_text": "@S"', '{"Alt Text": "@S"}', '{"image_caption":"@S"}', '{"caption":["@S"]}',
        'json{"caption":"@S"}', '<json>{"caption":"@S"}</json>',
        '{"function":"caption","parameters":{"text":"@S"}}', "caption='@S'",
        '{"thought":"I look.","caption":"@S"}', '{\\"caption\\": \\"@S\\"}', "- alt: @S",
        "alt: >\n  @S\ntitle: x", 'alt = """@S"""', "<response><caption>@S</caption></response>",
        '"id","caption"\n"1","@S"', '{"caption": "@S"}}}', '{{"caption": "@S"}}',
        '[{"label":"cat","box":[1,2,3,4]}, "@S"]', '{"alt_text": "@S",', '{"a": 1, "b": "@S"}',
        '{"caption": "@S",\n"caption": "@O"}', 'Response: {"caption": "@S"} Done.',
        '{"caption":"@S","tags":[', '{"en":"@S"}', "alt_text=@S", "alt_text → @S", 'None, "@S"',
        "('@S',)", '"@S",', "['@S']", '{"@S"}', '{"caption": null, "alt": "@S"}', 'b"@S"', "u'@S'",
        '"text":"@S"}]}',
    ),
    "html": (
        '<p class="alt">@S', "@S</p>", "<figcaption>@S", '<img src=x alt="@S">', "<img alt='@S'",
        "<svg><title>@S</title></svg>", '<span aria-label="@S"></span>', "<!--@S-->",
        "&lt;b&gt;@S&lt;/b&gt;", "@S<br", "<div>@S</div><script>alert(1)</script>",
        "<details><summary>Alt</summary>@S</details>", "&#34;@S&#34;", '<a href="x">@S</a>',
        "@S&nbsp;&nbsp;", "<q>@S</q>", "<h1>Alt text</h1><p>@S</p>",
        "<ul><li>@S</li><li>@O</li></ul>", "<table><tr><td>@S</td></tr></table>",
        '<input alt="@S">', 'alt="@S"', 'alt="@S" />', "<p>@S</p", "p>@S</p>",
        "&amp;quot;@S&amp;quot;", "<i>@S", "@S</i>", '<font color="red">@S</font>', "<br/>@S<br/>",
        "@S &gt;", 'title="@S"', '<img alt="@S" title="@O">', "<center>@S", "&nbsp;@S", "@S<!--",
        "<![CDATA[@S", "@S]]>", "<caption lang='x'>@S</caption>",
    ),
    "mark": (
        "(@S", "@S]", "[[@S", "@S}}", "⟦@S⟧", "〈@S〉", "〔@S〕", "[@S](", "(@S).", "<@S", "@S>",
        "“@S", "@S”", "„@S”", "‚@S‘", "»@S", "@S«", '"\'@S\'"', '“"@S"”', "'“@S”'", '"“@S', '@S”"',
        '"""@S', "‟@S”", "〝@S〞", "｢@S｣", "“„@S“”", '" @S "', "“ @S ”", "»»@S««", '"@S" "@O"',
        '"@S" (56 characters)', '"@S" - caption', '"@S".', '"@S",', '"@S";', "— “@S”", "1. “@S”",
        "“1. @S”", '"- @S"', '"**@S**"', '**"@S"**', "*“@S”*", '_"@S"_', "~@S~", "^@S^", "|@S|",
        "/@S/",
    ),
    "markdown": (
        "**@S", "@S**", "__@S", "***@S", "## @S", "###### @S", "#@S", "> > @S", ">@S", "-@S",
        "+ @S", "◦ @S", "1.@S", "1: @S", "1 - @S", "(1)@S", "i. @S", "I. @S", "№1 @S", "#1: @S",
        "1️⃣ @S", "@S\n\n***", "@S\n___", "* * *\n@S", "[x] @S", "[ ] @S", "✅ @S", "➡ @S", "» @S",
        "@S[^1]", "@S ^[1]", "@S\n[1]: http://x.example", "[caption]: @S", "**Caption**\n@S",
        "**1.** @S", "**1. @S**", "- **@S**", "* *@S*", "@S\n\n2. @O", "1. @S\n2. @O\n3. @O",
        "a. @S\nb. @O", "@S\n- @O", "@S\n\n| a | b |", "@S /", "@S \\", "@S ---", "@S ...2",
        "@S 1.", "@S 2)", "@S (2", "@S II.", "@S a", "@S -2-", "@S\n1", "@S #2", "@S *2", "@S | 2",
        "@S ² ",
    ),
    "escape": (
        "@S\\n\\n2. @O", "\\n@S", "@S\\\\n", "@S\\r", "\\t@S\\t", "@S\\u000a", "\\x0a@S",
        "@S\\x00", '\\"@S\\"', "@S\\", "\\@S", "/n@S/n", "@S/n", "@S\\n\\n\\n\\nuser",
        "\\u201c@S\\u201d", "@S&#x0a;", "%22@S%22", "@S%20", "\\n- @S\\n- @O",
        "\\begin{quote}@S\\end{quote}", "$$@S$$", "$@S$", "\\textit{@S}", "\\[@S\\]", "\\(@S\\)",
        "@S \\\\",
    ),
    "table": (
        "| @S | @O |", "|@S", "@S|", "Alt text | @S", "Alt\t@S", "caption,@S", "caption;@S",
        "1;@S", "1\t@S", "0,@S", "id|caption\n1|@S", "| alt | @S |\n| title | @O |",
        "+---+\n| @S |\n+---+", "caption: @S | confidence: 0.9", "@S | 0.93", "@S\t0.93",
        "@S, 0.93", "@S (0.93)", "@S 93%", "0.93 @S", "@S [0.93]", "score: 0.93\n@S",
    ),
    "code": (
        "print('@S'", "return '@S'", "alt_text('@S')", 'setAlt("@S");',
        'System.out.println("@S");', 'puts "@S"', '<?php echo "@S"; ?>', 'img.alt = "@S";',
        "let s = `@S`", "/** @S */", "# @S", "// @S\n// @O", "; @S", "-- @S",
        '"""@S"""\nimport os', "def f():\n    '''@S'''", ">>> '@S'", "$ @S", "In [1]: '@S'",
        "Out[1]: '@S'", 'caption := "@S"', "{% alt '@S' %}", "{{ '@S' }}", "<%= '@S' %>",
        '@alt("@S")', ":alt: @S", ".. image:: a.png\n   :alt: @S", "@S // comment", "@S # noqa",
        "SELECT '@S';", 'caption.set("@S")',
    ),
    "echo": (
        "@A\n@S", "@A @S", "Task: @A\nCaption: @S", "Question: @A\nAnswer: @S",
        "Prompt: @A Response: @S", "@S\n\n@A", "@S @A", "You asked: @A\n\n@S",
        "Instruction: @A @S", '"@A" — @S', "@S Answer with the caption alone.",
        "Answer with the caption alone. @S", "@S It should be short and factual.",
        "One sentence: @S", "Requirements: max 125 characters. @S", "Rules: no emoji. @S",
        '@S\nRemember to avoid phrases like "image of".', "Output format: plain text. @S",
        "Caption in one sentence: @S", "Draft 1: @S", "Draft: @S\nFinal: @S", "Final: @S",
        "Revised caption: @S", "First attempt: @O\nSecond attempt: @S",
    ),
    "alternative": (
        "Alt 1: @S Alt 2: @O", "Alt A: @S Alt B: @O", "Option 1 - @S\nOption 2 - @O",
        "@S OR @O", "@S\nor\n@O", "@S\n\n— or —\n\n@O", "@S Or: @O", "@S (OR @O)", '"@S" or "@O"',
        "A: @S\nB: @O", "(A) @S\n(B) @O", "Choice 1: @S Choice 2: @O", "@S | @O", "@S // @O",
        "Variant 1: @S Variant 2: @O", "Möglichkeit 1: @S Möglichkeit 2: @O",
        "Proposition 1 : @S Proposition 2 : @O", "Opción 1: @S Opción 2: @O",
        "Prijedlog 1: @S Prijedlog 2: @O", "候補1：@S候補2：@O", "Short: @S Long: @O",
        "Concise: @S\nDetailed: @O", "@S Alternatively: @O", "@S Alternative: @O",
        "Option one: @S Option two: @O", "1st option: @S 2nd option: @O", "Caption (A): @S",
        '{"a": "@S", "b": "@O"}', "Caption 1 → @S Caption 2 → @O", "@S Another option: @O",
        "@S Or, shorter: @O", "@S Shorter: @O", "Best: @S Other: @O",
    ),
    "label of today": (
        "Caption → @S", "Caption: → @S", "[ID: @S End ID]", "[ID: @S]",
        "[Image ID: @S End Image ID]",
        "ID: @S [/ID]", "### Reasoning\n@O\n### Answer\n@S", "### Reasoning @O ### Answer @S",
        "Reasoning: @O Answer: @S", "# Answer\n@S\n# Confidence\nHigh", "Answer → @S",
        "Characters: 74. Good. @S", "74 chars, good. @S", "Let's count: 74. @S", "OK: @S",
        "(74 characters) @S", "Good: @S", "Yes: @S", "@S That is 74 characters.", "@S 74. Good.",
        "[gMASK]<sop>@S", "[gMASK]sop @S", "[IMG][IMG_BREAK]@S", "[TOOL_CALLS]@S",
        "[TOOL_CALLS] [] @S",
        "{'<CAPTION>': '@S'}", "{'<CAPTION>': '@S', '<OD>': {}}", "<CAPTION> → @S", "<CAPTION>: @S",
        "Concise: @S", "**Concise:** @S", "concise — @S", "SEO: @S", "Final version: @S",
    ),
    "remark": (
        "Done! @S", "Yes. @S", "Okay — @S", "As requested, @S", "@S Hope that helps!",
        "@S Is there anything else?", "@S 😊", '@S (This caption avoids the phrase "image of".)',
        "@S [end of caption]", "@S END OF RESPONSE", "@S\n\n(Word count: 12)",
        "@S\nLength: 56 characters", "@S\n\nCharacters: 56", "@S\n~56 chars", "@S [56 chars]",
        "@S <56>", "@S {56}", "@S — end —", "@S *** END ***", "@S The end.", "@S Thank you.",
        "@S Alt text complete.", "@S\nSource: model", "@S\nModel: llava-13b", "@S Tokens used: 23",
        "llava> @S", "Llava: @S", "GPT-4: @S", "[2026-11-30 07:00] @S", "07:00 @S", "INFO: @S",
        "WARNING: low confidence\n@S", "Error: none\n@S", "Status: ok\n@S", "Processing...\n@S",
        "Loading… @S", "@S\nTime: 1.2s",
    ),
}  # fmt: skip


TOLD_FROM_PROSE_BY_AN_ARTICLE = ("cat ", "I. ")
"""What is left before a sentence and passes in languages without articles."""


def attack_drafts() -> Iterator[FuzzedDraft]:
    """Every template in every language."""
    for kind, templates in TEMPLATES.items():
        for template in templates:
            for locale, (sentence, other, ask, user, assistant) in _LANGUAGES.items():
                text = template.replace("@S", sentence).replace("@O", other).replace("@A", ask)
                text = text.replace("@U", user).replace("@M", assistant).replace("LOC", locale)
                yield FuzzedDraft(text, sentence, locale, (kind,))
