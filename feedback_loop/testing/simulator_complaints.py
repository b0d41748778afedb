"""What goes wrong in words: per planted failure, the bad outputs, the complaints about them and the corrections.

Belongs here: only text. Slots are `{order} {product} {other} {subject} {amount} {total} {minutes}`. A complaint is a
small grammar: of each bracket group, `[dead|broken]`, one way is said; groups are not nested. The complaints of one
failure share the words that name it, as people do, and leave those of the other failures alone; the subject of the
question never tells which failure it is.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class FailureTexts:
    """Templates of one planted failure; only those of complaints have bracket groups."""

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
            "I [asked for|wanted|requested|needed] a [numbered list|table|list of steps|checklist] and got "
            "[one paragraph|plain prose|running text]",
            "it [ignored|did not follow] the [format|list format|table format] I [asked for|wanted|requested]",
            "[prose|running text|one big paragraph] [again|once more|as always], although I "
            "[asked for|requested|wanted] [bullet points|a table|a numbered list]",
            "the [steps|plans] should be [a numbered list|a table|bullet points], not [a paragraph|prose|running text]",
            "[no list|no table|no bullets|no numbers], just [prose|a paragraph|running text], I "
            "[said|asked for|requested] [a table|a list|bullet points]",
            "please [use|keep to|follow] the [list|table|bullet point] format [I asked for|that was requested] "
            "[and no paragraphs|instead of prose]",
            "[told|asked] it [twice|three times|clearly] to [format the steps as|write|answer with] a "
            "[list|table|numbered list], [still prose|still one paragraph|format ignored]",
            "why [can't|won't] it [write|give me|format] the steps as [bullets|a list|a table] "
            "[like I asked|when I ask for it|instead of prose]",
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
            "[way|far|much] too [long|wordy|long-winded], the [point|useful part|actual answer] "
            "[comes at the very end|is in the last line|is buried]",
            "too much [introduction|preamble|rambling] before it [gets|comes] to the [point|useful part|actual answer]",
            "please be [brief|short], nobody reads such [a long|a wordy|an endless] [introduction|preamble|answer]",
            "had to [scroll|read|wade] through [three screens|five screens|half a novel] of "
            "[rambling|preamble|introduction] [for a yes or no|to get to the point]",
            "so [wordy|long-winded|verbose|long], I [just|only] needed [one line|a short answer|a yes or no]",
            "[endless|long|lengthy] [rambling|preamble|background], then "
            "[one short line|one useful line|a yes or no] at the [very end|end]",
            "[cut|skip|drop] the [long introduction|preamble|background story|rambling] and [get|come] to the point",
            "the useful answer is [buried|hidden] under [a long preamble|a wordy introduction|endless rambling]",
            "it takes forever to [say anything|get to the point|say yes or no], [too verbose|too wordy|far too long]",
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
            "very [rude|condescending|sarcastic|impolite] tone, I [expect|want] [respect|politeness|an apology]",
            "the tone is [rude|insulting|condescending|sarcastic], it [talks to|treats] me like [a child|an idiot]",
            "why is it so [cheerful|rude|sarcastic|condescending] when [I am upset|my {subject} is a mess|I am angry]",
            "I am [upset|angry] and it replies [with jokes|in a cheerful tone|with smileys|in a sarcastic tone]",
            "no [empathy|apology|respect], just [cheerful jokes|a rude tone|a sarcastic tone|condescending remarks]",
            "[rude|condescending|insulting] [attitude|tone], it [blamed|lectured|mocked] me as if "
            "[I was a child|it was my own fault]",
            "please be [polite|respectful], this [cheerful|sarcastic|rude] tone is [insulting|inappropriate|not funny]",
            "I felt [mocked|insulted|lectured] by the [rude tone|sarcastic attitude|cheerful jokes], "
            "[no apology|no empathy|so impolite]",
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
            "the [price|pricing|price list] is [outdated|out of date|old|from last year], "
            "[{product} costs more now|prices went up|the prices changed]",
            "[outdated|old|expired] [price|prices|pricing], {product} [costs more|is more expensive|has a new price] "
            "[now|today|since autumn]",
            "it [quoted|said|named] {amount}, but [the shop|the checkout|your website] [shows|has|wants] a "
            "[new|higher|different] price",
            "it still [uses|quotes|has] the old [price list|prices|rates] from [last year|before the increase]",
            "{amount} is the [old|former|outdated] price, [the price list changed|the rates went up|it costs more now]",
            "please update your [price list|prices|pricing], {amount} is [outdated|last year's price|the old price]",
            "the price for the {subject} is [outdated|from an old price list|not current], "
            "[it costs more now|it is higher now|the shop has a new one]",
            "it quoted [last year's|an outdated|an old] price [again|for {product}], the [price list|pricing] "
            "[changed months ago|was updated]",
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
            "there is a [help article|guide] about [just this|the {subject}], it [did not find it|has no information]",
            "[says|claims] [there is no information|nothing is documented|it found nothing], but the "
            "[help centre|documentation|faq] [covers|explains|describes] it",
            "it [found nothing|found no article|has no information], although the "
            "[help centre|documentation|knowledge base] [has an article on it|covers the {subject}]",
            "it [couldn't|did not] find [the article|the help article|any documentation], I found [it|the guide] "
            "[myself|in a second|at once] in the [help centre|faq]",
            "no [article|guide|information] found [again|once more]? it is in the [help centre|faq|knowledge base]",
            "[your own|the] [help centre|faq|documentation] [has an article|has a guide] on this, the bot "
            "[found nothing|finds no information|could not find it]",
            "sent me [away|off] to search the [help centre|documentation|faq] [on my own|by myself], it found "
            "[nothing|no article|no information]",
            "does it [search|know|read] the [help centre|documentation|knowledge base] at all? it found "
            "[no article|nothing|no information] [again|on the {subject}]",
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
            "I [own|have|bought] {product}, the [answer|manual] is for [{other}|some other model], "
            "[another|a different|the wrong] [device|product]",
            "[this is|it quotes|it used] the manual of [a different|another|the wrong] [device|product|model], "
            "[mine is|I have|I own] {product}",
            "[wrong|not my] [product|device|model], I [never mentioned|do not own|don't have] {other}",
            "it [explains|describes] [another|a different|the wrong] [product|device|model], I [own|use] {product}",
            "it [mixed up|confused] [two products|two devices|the models], mine is [{product}|not {other}|another one]",
            "the [manual|answer] is for [another|a different|some other] [model|device|product], not [mine|{product}]",
            "please check which [product|device|model] I [own|have|bought], [not {other}|this one is wrong]",
            "[another|a different|the wrong] [device|model|product] again, mine [looks different|is {product}]",
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
            "I [live in|am in|order from] [Austria|Spain|Canada|Ireland], [these|the] [rules|conditions|terms] are "
            "for [the UK|the US|another country]",
            "wrong [country|region], these [rules|terms|laws] are [British|American|European|for another country]",
            "it [applies|quotes|cites] [UK|US|British|American] [rules|law|conditions] "
            "[to my country|although I live in Austria|to an order in Spain]",
            "[rules|law|conditions] of [another|a different|the wrong] [country|region], not valid "
            "[in Canada|in Austria|where I live]",
            "other country, different [rules|laws|customs rules], I [am not|do not live] in [England|the US|the UK]",
            "[please check|it should know] which [country|region] [I live in|the customer lives in|we are in] before "
            "it [quotes|cites] [rules|laws|conditions]",
            "the [rules|conditions|laws] in my [country|region] are [different|not the same], this is the "
            "[British|American|UK] version",
            "it [assumes|thinks] I am in [England|the US|the UK], these [rules|conditions] do not [apply|count] in "
            "[Austria|Spain|my country]",
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
            "[that|this|the] [button|menu|option|setting|menu entry] "
            "[does not exist|never existed|is invented|is made up], I [checked|looked in] the [settings|menus]",
            "there is no such [button|menu|option|setting|tab] [in {product}|in the settings|anywhere in the menu]",
            "[invented|made-up|imaginary|nonexistent] [menu|button|option|setting], I [looked|searched] everywhere "
            "in the [settings|menus|app]",
            "it [made up|invented|hallucinated] a [menu|button|setting|tab] that [does not exist|nobody has]",
            "I [can't|cannot] find the [menu|button|toggle|option] it [describes|mentions|names], "
            "[it does not exist|it is made up|pure invention]",
            "there is no [button|menu entry|option|setting] [called|named] [advanced|smart|magic] {subject} in "
            "[my menu|the settings|{product}]",
            "it sends me to a [menu|settings tab|button] {product} [doesn't have|never had], "
            "[it made that up|invented again|it does not exist]",
            "[searched|looked] [ten minutes|half an hour|forever] for a [setting|menu|button|toggle] that "
            "[does not exist|the bot made up|was invented]",
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
            "it [refuses|refused|declined] to [help with|answer|talk about] a [harmless|normal|perfectly harmless] "
            "[question|request]",
            "says it [can't help|is not allowed to help|must refuse] for [security|safety] reasons, "
            "[I only asked about my {subject}|my question is harmless]",
            "why is [my question|this request] [unsafe|dangerous|a security risk]? it is "
            "[totally harmless|harmless, stop refusing|not dangerous at all]",
            "[refused|declined|refuses] [again|once more], [no reason given|for no reason|because of some "
            "guideline], [my question was harmless|nothing unsafe about it]",
            "there is nothing [dangerous|unsafe|risky] about [my {subject}|{product}|my question], [yet|and still] "
            "it [refuses|declines] to help",
            "I'm no [hacker|criminal], [stop|why is it] [refusing|rejecting] [harmless|normal] [questions|requests]",
            "the bot is [overcautious|paranoid] and [refuses|rejects|declines] [harmless|ordinary|normal] "
            "[questions|requests] [as unsafe|for safety reasons]",
            "it [declined|refused|rejected] my [harmless|ordinary] [question|request] "
            "[as unsafe|as a security risk|on safety grounds|as not allowed]",
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
            "the [sum|total|calculation] is [wrong|incorrect|off], {amount} times three is not {total}",
            "it can't [calculate|do maths|add up], the [total|sum|result] [is wrong|doesn't add up|is incorrect]",
            "[wrong|incorrect|bad] [maths|arithmetic|calculation|addition], the [total|sum] should "
            "[be {amount}|not be {total}|be lower]",
            "[miscalculated|calculated wrong|bad maths], the [numbers|figures|amounts] do not [add|sum] up to {total}",
            "it [added|calculated] the [tax|vat|fee] [twice|incorrectly], the [sum|total] is [off|wrong|incorrect]",
            "please check the [addition|calculation|sum], [the total|the result|{total}] is [wrong|incorrect|off]",
            "[arithmetic|calculation|maths] error in the [total|sum|{subject} total], "
            "[the numbers do not add up|added up wrong|the result is off]",
            "simple [multiplication|addition|tax] sums and the [result|total] is [wrong|incorrect|off]",
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
            "I [gave|told] it [my order number|the number {order}|everything] "
            "[two messages ago|earlier in this chat|a minute ago], it [forgot|remembers nothing]",
            "it [forgot|does not remember|forgets] [what I said|everything I said|my order number] "
            "[before|earlier|a message ago|in this chat]",
            "asks the same [question|thing] [again|twice], I already [said|told it|answered] that [before|earlier]",
            "no memory, I have to repeat [my order number|{order}|what I said|myself] [again|in each message]",
            "I [already|just] [said that|told it] [earlier|before|two messages ago], "
            "[why ask again|why repeat it|it remembers nothing]",
            "it [lost track of|forgot|remembers nothing of] [the conversation|what we talked about|this chat] after "
            "[one message|two messages|one reply]",
            "why [ask again for|do I have to repeat|does it forget] [the number|details|things] I "
            "[already gave|typed earlier|said a minute ago]",
            "it starts over [again|from zero] with each message, it [forgot|does not remember] "
            "[what I said before|my order number|the conversation]",
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
            "the [link|url|web address] [you gave me|it sent|in the answer] "
            "[is dead|does not work|leads nowhere|gives a 404|is broken]",
            "[dead|broken] [link|url|hyperlink] [to the {subject} page|for {product}|in the answer], "
            "[error 404|404|it leads nowhere|the page is gone]",
            "[clicked|opened|tried] the [link|url|web address] [to the {subject} page|for {product}|it sent], "
            "[404|error 404|dead page|the page is gone]",
            "[error 404|dead page|empty page] when I [click|open|follow] the [link|url|web address]",
            "none of the [links|urls|web addresses] [it sent|you gave me|in the answer] [work|open], "
            "[all dead|all broken|404 again|only 404]",
            "[404|error 404] again, [the third|the second|yet another] [broken|dead] [link|url] [today|this week]",
            "the [link|url|web address] [goes|leads|redirects] to "
            "[a dead page|an empty page|a 404 page|the home page] instead of {product}",
            "[cannot|can't] open the [link|page|url], the [link|web address] [is dead|is broken|is gone|gives a 404]",
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
            "it [said|claimed|told me] it was [done|completed|processed], but nothing [happened|was changed|changed]",
            "{order} [is|was] still not [cancelled|changed|processed], [although|even though] it "
            "[confirmed that|said it was done|said completed]",
            "my {subject} is [still unchanged|still pending|not changed], it [said done|confirmed it|said completed]",
            "it [confirmed|promised] [the change|the cancellation], but "
            "[nothing happened|it was never done|nothing was saved]",
            "it says [done|completed|all set] and [nothing happened|nothing was processed|nothing was carried out], "
            "{order} is [unchanged|still pending|still open]",
            "[false|fake|empty] confirmation, "
            "[the request was never processed|nothing was done|{order} was never cancelled|nothing happened]",
            "the [change|cancellation|request] was [not|never] [carried out|processed|done|saved], "
            "[it just said done|despite the confirmation|whatever it claims]",
            "[third|second] time it says [it is done|completed] and [nothing happened|my {subject} is still pending]",
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
            "the [reply|answer|text] [stops|breaks off|is cut off] "
            "[in the middle|halfway|after a few words|mid-sentence] [and it hangs|and the chat freezes|every time]",
            "[loading|waiting] for {minutes} minutes, then [half a sentence|it stopped|it froze|the reply was cut off]",
            "it [timed out|froze|hangs] [halfway|in the middle of a sentence|after a few words], "
            "[had to reload|nothing more came|waited {minutes} minutes]",
            "reply [cut off|stopped|ended] [halfway|in the middle of a sentence|after {minutes} minutes], it just "
            "[keeps loading|hangs|froze]",
            "waited {minutes} minutes for [half a sentence|an incomplete reply|a reply that stops halfway], then it "
            "[froze|timed out|stopped]",
            "the chat [froze|hangs|timed out|stopped] [while loading|while typing|in the middle of the reply], "
            "[I had to reload|incomplete reply|only half a sentence]",
            "never a [complete|finished|full] reply, it [stops|hangs|freezes] [halfway|mid-sentence|while loading] "
            "[every time|when I ask about {product}|again]",
            "[incomplete|cut off|unfinished], the [reply|text] [ends|stops] "
            "[after half a sentence|in the middle|halfway] and [it keeps loading|then it hangs|the chat freezes]",
        ),
        foreign=("bricht mitten im Satz ab",),
        corrections=("For your {subject} please open the account page and choose {product}.",),
    ),
}
