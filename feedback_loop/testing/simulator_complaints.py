"""What goes wrong in words: per planted failure, the bad outputs, the complaints about them and the corrections.

Belongs here: only text. Slots are `{order} {product} {other} {subject} {amount} {total} {minutes}`. Complaints of one
failure differ in words, not only in slots, and the subject of the question never tells which failure it is.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class FailureTexts:
    """Templates of one planted failure."""

    outputs: tuple[str, ...]
    complaints: tuple[str, ...]
    foreign: tuple[str, ...]
    corrections: tuple[str, ...]


FAILURE_TEXTS = {
    "ignores_format": FailureTexts(
        outputs=(
            "For the {subject} you first open the settings and then, once done, you pick {product} and go on there.",
            "Well, you begin in the account area, after that comes the {subject} form, then finally an e-mail.",
            "The plans differ in seats and storage, the first has fewer seats, the second more, the third both.",
        ),
        complaints=(
            "I asked for a numbered list and got one long paragraph",
            "asked for a table, got prose again",
            "please use bullet points when someone asks for bullet points",
            "the steps should be a numbered list, not a block of text",
            "told it twice to answer as a table, it ignored the format",
            "wall of text although I wanted step by step instructions with numbers",
            "format ignored: I requested csv rows for {product} and it wrote sentences",
            "why can't it give the {subject} steps as a list like I asked",
            "no table. just running text. I said table.",
            "did not follow the format I asked for, everything in one paragraph",
            "wanted a checklist to print, received an essay without any bullets",
            "instructions about the layout are ignored, I need the list as bullets",
        ),
        foreign=(
            "ich wollte eine nummerierte Liste und bekam nur Fließtext",
            "pedí una tabla y me dio un párrafo largo",
        ),
        corrections=(
            "1. Open the account. 2. Choose {subject}. 3. Confirm with Save. 4. Wait for the e-mail.",
            "- Starter: 2 seats - Team: 10 seats - Business: 50 seats",
        ),
    ),
    "long_winded": FailureTexts(
        outputs=(
            "Thank you so much for reaching out about your {subject}, we truly value every question. "
            "Before answering, let me give some background on how we think about it and why it matters to us all.",
            "What a great question! The {subject} has a long history at our company, with many aspects. "
            "Let us first look at the general idea, and then at the details, and finally at the answer.",
            "I understand that you would like to know about {product}. In today's world this matters. "
            "Let me first restate your question, then explain the terms, then summarise, and then come to the point.",
        ),
        complaints=(
            "way too long, the answer is in the last sentence",
            "too much introduction before it gets to the point",
            "had to scroll through three screens to find a yes or no",
            "so wordy, I just needed one line",
            "long-winded. half of it repeats my own question",
            "please shorten this, nobody reads so much text about a {subject}",
            "endless rambling before the actual answer",
            "cut the background story and just tell me",
            "the useful part is buried under a long preamble",
            "five paragraphs for a simple question, be brief",
            "it restates everything and takes forever to say anything, too verbose",
            "too long to read on my phone",
        ),
        foreign=("viel zu lang, die Antwort steht erst ganz am Ende", "beaucoup trop long, allez droit au but"),
        corrections=("Yes, within 14 days.", "No. {product} does not include it."),
    ),
    "wrong_tone": FailureTexts(
        outputs=(
            "Yay, thanks! Oh no, a {subject} hiccup, these things happen, haha! Let us turn that frown upside down!",
            "You should have read the terms before you ordered {product}. Those who do rarely have {subject} problems.",
            "Woohoo! Order {order} is on an adventure! Relax and enjoy the suspense while we look into it, superstar!",
        ),
        complaints=(
            "I am upset and it answers with jokes and smileys",
            "very rude tone, it talks to me like to a child",
            "condescending. it blamed me for not reading the terms",
            "stop being so cheerful when my {subject} is a mess",
            "the attitude is insulting, I expect politeness",
            "sounds sarcastic, not friendly at all",
            "no empathy whatsoever, cheerful nonsense while I lost money",
            "patronising reply, as if the problem was my own fault",
            "inappropriate tone for a complaint, please be respectful and serious",
            "haha and superstar? this is not funny, unprofessional",
            "felt mocked by the assistant",
            "cold and impolite, not one word of apology",
        ),
        foreign=("unverschämter Ton, ich bin doch kein Kind", "tono muy grosero y sarcástico"),
        corrections=(
            "I am sorry about the trouble with your {subject}. I will look into it now.",
            "I apologise, {order} is late. It should arrive within two days.",
        ),
    ),
    "outdated_prices": FailureTexts(
        outputs=(
            "{product} costs {amount} a month according to the price list. The {subject} is included in this price.",
            "The current price is {amount} per seat. It is in the price list for all plans, including {product}.",
            "With your {subject} you pay {amount}, and shipping is free from an order value of 25 dollars.",
        ),
        complaints=(
            "this is last year's price, {product} costs more now",
            "quoted {amount} but the shop charges a different price",
            "outdated pricing, the price list changed in autumn",
            "old prices. checkout shows another amount",
            "the plan has not cost {amount} since the new tariff came",
            "wrong price, your website says something else today",
            "it still uses the old price list from before the increase",
            "price is out of date, I was charged more than it said",
            "information about the fee is stale, these rates were replaced months ago",
            "said {amount} for the {subject}, that was the former tariff",
            "please update your prices, this one expired long ago",
            "the number it gave is from the archived price sheet",
        ),
        foreign=("der Preis ist veraltet, im Shop steht ein anderer", "ce prix est ancien, le tarif a changé"),
        corrections=(
            "{product} costs {total} a month since the new price list.",
            "The current price is {total} per seat.",
        ),
    ),
    "article_not_found": FailureTexts(
        outputs=(
            "I could not find any information about this in our help centre. Please contact the support team.",
            "Unfortunately there is no article about your {subject}. Is there anything else I can do for you?",
            "I have no documentation on {product} that answers this. Please look through the help centre yourself.",
        ),
        complaints=(
            "there is a help article about exactly this, it did not find it",
            "says no information found, but the help centre has a page on it",
            "search came back empty although the documentation covers {subject}",
            "couldn't find anything? first hit in your own knowledge base",
            "no source given and claims nothing is documented",
            "it doesn't know the article that I have open in another tab",
            "told me no documentation exists for {product}, not true, I found the guide myself",
            "sent me away to search the help centre on my own",
            "no results again, does it have access to the docs at all",
            "missing the relevant article, just says it has no information",
            "your faq answers this in one line, the bot found nothing",
            "I got nothing found for a topic with its own help page",
        ),
        foreign=(
            "findet den Hilfeartikel nicht, obwohl es ihn gibt",
            "dice que no hay información pero existe un artículo de ayuda",
        ),
        corrections=(
            "See the help article: {subject} for {product}.",
            "The help centre describes this under {subject}, section 2.",
        ),
    ),
    "wrong_product": FailureTexts(
        outputs=(
            "On your {other}, hold the side button for ten seconds and select {subject} in the menu of {other}.",
            "The {other} manual says that the {subject} is under Settings, Device. Restart the {other} afterwards.",
            "For {other} customers this is easy: open the {other} app and follow the assistant.",
        ),
        complaints=(
            "I own {product}, the answer is about {other}",
            "this is the manual of a different device",
            "wrong product, I never mentioned {other}",
            "explains {other} although I asked about {product}",
            "these instructions belong to another model, mine has no side button",
            "mixed up {product} and {other}",
            "not my product! I don't have {other}",
            "it keeps describing a model I do not own",
            "answer is for some other device in your range",
            "off topic, talks about {other} all the time",
            "please read the product name, I wrote {product}",
            "the guide it used is for the other series, does not fit my device",
        ),
        foreign=(
            "das ist die Anleitung für ein anderes Gerät",
            "ce n'est pas mon produit, j'ai demandé pour {product}",
        ),
        corrections=(
            "On {product}, open the app and choose {subject}.",
            "{product} has no side button, use the web page of {product} instead.",
        ),
    ),
    "wrong_country": FailureTexts(
        outputs=(
            "Under the policy for the United Kingdom you have 30 days for the {subject}, and the parcel goes to Leeds.",
            "Customers in the United States pay no customs on {product}. The {subject} follows state rules.",
        ),
        complaints=(
            "I live in Austria, the rules it quotes are British",
            "wrong country, this policy is for the US",
            "applies UK law to an order in Spain",
            "we are in Canada and it gives us the European conditions for the {subject}",
            "different region! customs rules do not apply here",
            "the policy for my country is another one, this is the american version",
            "it assumes I am in England, I am not",
            "quoted the terms of the wrong region for {product}",
            "please check where the customer lives before you cite national regulations",
            "these conditions are not valid in my country",
        ),
        foreign=("das gilt nur in England, ich wohne in Österreich",),
        corrections=("In Austria you have 14 days for the {subject}.",),
    ),
    "invented_menu": FailureTexts(
        outputs=(
            "Open Settings, choose Advanced {subject}, and click Enable smart mode at the bottom right of {product}.",
            "In {product} there is a button called Magic {subject} under Tools. Click it, then choose Apply to all.",
            "Go to the Power panel of {product}, tick Automatic {subject} and restart.",
        ),
        complaints=(
            "that button does not exist",
            "there is no such menu in {product}",
            "invented setting, I looked everywhere in the settings page",
            "made up an option that isn't there",
            "no entry called advanced {subject} in my menu",
            "hallucinated feature, support confirmed it never existed",
            "I can't find the toggle it describes, I think it is fictional",
            "sends me to a tab {product} doesn't have",
            "describes a screen nobody has ever seen, pure fantasy",
            "searched ten minutes for a checkbox that was invented by the bot",
            "the menu path is imaginary, Settings has no Power panel",
            "nonexistent option again",
        ),
        foreign=("diesen Knopf gibt es gar nicht", "ese botón no existe en el menú"),
        corrections=(
            "{product} has no setting for this. Please write to support.",
            "This option does not exist. Use the {subject} page instead.",
        ),
    ),
    "refuses_harmless": FailureTexts(
        outputs=(
            "I'm sorry, but I can't help with that request because it may be unsafe.",
            "For security reasons I am not able to talk about the {subject}. Please understand.",
            "I cannot assist with this topic as it could violate our guidelines.",
        ),
        complaints=(
            "it refuses to answer a harmless question",
            "says it can't help for security reasons, I only asked about my {subject}",
            "why is this unsafe?? totally normal question",
            "refused. again. no reason given",
            "declined to help and mentioned guidelines that make no sense",
            "nothing dangerous about {product}, yet it won't talk about it",
            "I'm not a hacker, I just want an answer, stop refusing",
            "cannot assist with this topic - really, for a {subject}?",
            "the bot is overcautious and rejects ordinary requests",
            "keeps apologising that it is not allowed to say anything",
            "blocked my question as a policy violation for no reason",
            "denies help with my own account on safety grounds",
        ),
        foreign=("verweigert die Antwort auf eine harmlose Frage", "refuse de répondre pour des raisons de sécurité"),
        corrections=(
            "Here is how the {subject} works: open your account and follow the steps.",
            "Of course. For {product} go to the account page.",
        ),
    ),
    "bad_arithmetic": FailureTexts(
        outputs=(
            "Three seats at {amount} plus tax come to {total} in all for {product}.",
            "Your {subject} amounts to {amount}, which together with the fee makes {total}.",
        ),
        complaints=(
            "the sum is wrong, {amount} times three is not {total}",
            "can't calculate, total doesn't add up",
            "bad maths with the tax",
            "miscalculated, check the addition please",
            "it added the vat twice, the calculation is off",
            "percentages computed incorrectly",
            "simple multiplication and the result is wrong",
            "arithmetic error in the {subject}, the total should be {amount}",
            "the figures do not sum up to {total}",
            "counted wrong, three months are not four",
        ),
        foreign=("falsch gerechnet, die Summe stimmt nicht",),
        corrections=("The total is {total}: three seats plus 20 % tax.",),
    ),
    "forgets_context": FailureTexts(
        outputs=(
            "Could you please tell me your order number so that I can check the {subject}?",
            "Which product do you mean? Please describe your question from the beginning.",
        ),
        complaints=(
            "I gave the order number {order} two messages ago",
            "it forgot everything I said before",
            "asks the same question again and again",
            "no memory, I have to repeat {order} every time",
            "already told you, scroll up",
            "lost track of the conversation after one reply",
            "why ask for details I typed a minute ago",
            "starts over from zero with each message",
            "I answered that question earlier in this chat",
            "does not remember what we talked about",
        ),
        foreign=("ich habe die Nummer {order} schon genannt",),
        corrections=("Thank you, for {order} the {subject} is on its way.",),
    ),
    "dead_link": FailureTexts(
        outputs=(
            "The {subject} guide is at https://help.example.com/old/{order}. It covers all steps for {product}.",
            "Please follow this link: https://shop.example.com/p/{order} and sign in to see your {subject}.",
            "Everything about {product} is described at https://docs.example.com/v1/start, just follow the page.",
        ),
        complaints=(
            "the link is dead, error 404",
            "page not found when I click the url",
            "link leads nowhere",
            "broken link to the {subject} guide",
            "clicked the address, the site says it was removed",
            "the url it sent gives a 404",
            "none of the links work",
            "your link redirects to the home page instead of {product}",
            "cannot open the page it points to",
            "the web address is no longer available, not found",
            "hyperlink goes to an empty page",
            "404 again. third broken link today",
        ),
        foreign=("der Link ist tot, Seite nicht gefunden", "el enlace no funciona, error 404"),
        corrections=(
            "You can find the guide here: https://help.example.com/new/{order}.",
            "The page has moved to https://shop.example.com/account.",
        ),
    ),
    "action_not_done": FailureTexts(
        outputs=(
            "Done! I have processed the {subject} for {order}. You will get a confirmation shortly.",
            "Your {subject} was changed as you wished. {product} is up to date now.",
            "All set: {order} has been cancelled and {amount} is on its way back to you.",
        ),
        complaints=(
            "said it was done but nothing happened",
            "{order} still not cancelled although it confirmed that",
            "no confirmation arrived and my {subject} is unchanged",
            "claimed success, the change was never saved",
            "still being charged {amount} after it told me it had cancelled",
            "it pretends to process things, in the account nothing has changed",
            "third time it says completed and nothing is executed",
            "the agent on the phone sees no request for {order}",
            "promised the money, the transaction was never started",
            "reported all set, in reality the {subject} is still pending",
            "action was not carried out",
            "false confirmation, order {order} was shipped anyway",
        ),
        foreign=("angeblich erledigt, aber es ist nichts passiert", "dijo que estaba hecho pero no pasó nada"),
        corrections=(
            "I could not process the {subject} for {order}. A colleague will do it today.",
            "The cancellation of {order} failed, please try again in an hour.",
        ),
    ),
    "times_out": FailureTexts(
        outputs=(
            "For your {subject} please open the",
            "Just a moment while I look into {order}",
        ),
        complaints=(
            "the reply stops in the middle of a sentence",
            "spinner for {minutes} minutes, then nothing",
            "timed out twice",
            "answer cut off halfway",
            "hangs while typing, had to reload",
            "no response at all, it just keeps loading",
            "incomplete, the text ends after a few words",
            "chat froze and I lost everything",
            "waited {minutes} minutes for half a sentence",
            "crashes every time I ask about {product}",
        ),
        foreign=("bricht mitten im Satz ab",),
        corrections=("For your {subject} please open the account page and choose {product}.",),
    ),
}
