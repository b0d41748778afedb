"""Words that are never masked: negations, what people call a failure, and the form of an answer.

Belongs here: only words. A word stands for all that share its stem (`masking.stem_of`). A word too many keeps a little
of the subject; a word too few loses a complaint only where question or answer use the same word.
"""

_SPACED = """
not no never none nothing without cannot can't don't won't isn't aren't doesn't didn't wasn't couldn't
wrong incorrect inaccurate false mistake error broken fail bug missing lacks incomplete irrelevant relevant related
unrelated topic answer reply respond question ask help helpful unhelpful useless bad poor worse confusing unclear clear
vague generic specific outdated long short verbose repeat slow rude misleading invented ignore understand information
link page url source list table format bullet step language tone example detail

nicht kein keine nie nichts ohne falsch fehler fehlt unvollständig unklar ungenau antwort frage hilfreich schlecht
ne pas jamais rien aucun sans faux fausse erreur manque incomplet réponse inutile mauvais imprécis
nunca nada ningún sin incorrecto equivocado mal falta incompleto respuesta pregunta inútil malo
não nenhum sem errado erro resposta pergunta ruim
non mai niente nessuno senza sbagliato errore manca risposta domanda
niet geen nooit niets zonder fout verkeerd ontbreekt antwoord vraag nutteloos slecht
nie nigdy nic żaden bez błąd zły brak brakuje odpowiedź pytanie
не нет никогда ничего без неверно неправильно ошибка отсутствует ответ вопрос плохо бесполезно непонятно
değil yok hiç yanlış hata eksik cevap yanıt soru kötü
tidak bukan tanpa salah kurang jawaban pertanyaan buruk
không chưa sai thiếu lỗi trả lời câu hỏi
لا لم لن ليس غير بدون خطأ خاطئ ناقص إجابة جواب سؤال
नहीं मत बिना गलत त्रुटि उत्तर जवाब सवाल
안 못 없다 없음 없어 없고 아니 않아 않고 틀린 틀렸 잘못 오류 부족 답변 질문
"""

KEPT_WORDS = tuple(_SPACED.split())
"""In scripts that put spaces between words: English, then German, French, Spanish, Portuguese, Italian, Dutch, Polish,
Russian, Turkish, Indonesian, Vietnamese, Arabic, Hindi and Korean."""

_SPACELESS = """
没有 没 不 未 无 错 缺 差 无关 回答 答案 问题 沒有 沒 無 錯 無關 問題 間違 違 誤 質問
ไม่ ผิด ขาด คำตอบ คำถาม ບໍ່ ຜິດ មិន ខុស
"""

KEPT_RUNS = tuple(_SPACELESS.split())
"""Runs of characters in scripts without spaces: Chinese and Japanese, then Thai, Lao and Khmer."""
