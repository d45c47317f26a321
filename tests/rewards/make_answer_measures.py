# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes answer_measures.json: cases of texts with what the papers' definitions give for them.
    python3 tests/rewards/make_answer_measures.py [--check]
The papers' definitions are written down here anew, apart from the C++ that is held against them, in
the plainest way. --check holds the numbers against the programs that people compute them with, and
asks for all of them: pip install sacrebleu==2.6.0 rouge-score==0.1.2 pycocoevalcap==1.2."""
import json
import math
import re
import sys
from collections import Counter
from pathlib import Path

PAIRS = [
    ("a red circle at the top left", "a red circle at the top left"),
    ("a blue circle at the top left", "a red circle at the top left corner"),
    ("the the the the", "the cat sat on the mat"),
    ("The cat, sat. On a mat!", "the cat sat on the mat"),
    ("It costs 3.14 dollars, or 1,000 won.", "It costs 3.14 dollars or 1,000 won"),
    ("well-known 1990-91 facts", "well-known facts of 1990-91"),
    ("She said: \"hello\" & left", "She said: &quot;hello&quot; &amp; left"),
    ("", "something"),
    ("something", ""),
    ("", ""),
    ("yes", "Yes"),
    ("two", "too"),
    ("왼쪽 위에 빨간 원이 있다", "왼쪽 위에 빨간 원이 있습니다"),
    ("빨간 원", "빨간 원"),
    ("[red] (circle)", "red circle"),
    ("a b c d e f g h", "h g f e d c b a"),
    ("one two three four", "one two three four five six seven eight"),
    ("one two three four five six seven eight", "one two three four"),
    ("Receipt no. 12-345", "receipt no 12-345"),
    ("x" * 9, "x" * 8 + "y"),
    ("red", "red circle"),
    ("빨간 원이 있다", "빨간"),
]


def rouge_words(text):
    """rouge-score's: lower case, runs of letters and digits; characters outside of ASCII are kept,
    which it drops."""
    return re.findall(r"[a-z0-9\u0080-\U0010ffff]+", text.lower() if text.isascii() else
                      "".join(c.lower() if c.isascii() else c for c in text))


def longest_common(a, b):
    table = [[0] * (len(b) + 1) for _ in range(len(a) + 1)]
    for i in range(len(a)):
        for j in range(len(b)):
            table[i + 1][j + 1] = (table[i][j] + 1 if a[i] == b[j]
                                   else max(table[i][j + 1], table[i + 1][j]))
    return table[-1][-1]


def rouge_l(answer, expected):
    a, b = rouge_words(answer), rouge_words(expected)
    if not a or not b:
        return float(not a and not b)
    common = longest_common(a, b)
    precision, recall = common / len(a), common / len(b)
    return 2 * precision * recall / (precision + recall) if common else 0.0


def tokens_13a(text):
    """mteval-v13a's rules in their order, as regular expressions."""
    text = text.strip().replace("<skipped>", "").replace("-\n", "").replace("\n", " ")
    for name, sign in (("&quot;", '"'), ("&amp;", "&"), ("&lt;", "<"), ("&gt;", ">")):
        text = text.replace(name, sign)
    text = f" {text} "
    text = re.sub(r"([\{-\~\[-\` -\&\(-\+\:-\@\/])", r" \1 ", text)
    text = re.sub(r"([^0-9])([\.,])", r"\1 \2 ", text)
    text = re.sub(r"([\.,])([^0-9])", r" \1 \2", text)
    text = re.sub(r"([0-9])(-)", r"\1 \2 ", text)
    return text.split()


def grams(words, order):
    return Counter(tuple(words[i:i + order]) for i in range(len(words) - order + 1))


def bleu_counts(answer, expected):
    a, b = tokens_13a(answer), tokens_13a(expected)
    matches = [sum((grams(a, n) & grams(b, n)).values()) for n in range(1, 5)]
    totals = [max(0, len(a) - n + 1) for n in range(1, 5)]
    return matches, totals, len(a), len(b)


def bleu(matches, totals, length, expected_length, effective_order):
    """Papineni et al. with the exponential smoothing of NIST's mteval."""
    if not any(matches):
        return 0.0
    smooth, logs = 1.0, []
    for match, total in zip(matches, totals):
        if total == 0:
            if not effective_order:
                return 0.0
            break
        if match == 0:
            smooth *= 2
            logs.append(math.log(1 / (smooth * total)))
        else:
            logs.append(math.log(match / total))
    orders = len(logs) if effective_order else 4
    brevity = 1.0 if length >= expected_length else math.exp(1 - expected_length / length)
    return brevity * math.exp(sum(logs) / orders)


def chrf(answer, expected, order=6, beta=2):
    """Popović 2015: of characters without white space, the mean precision and recall over the orders
    that both texts have."""
    a, b = "".join(answer.split()), "".join(expected.split())
    precisions, recalls = [], []
    for n in range(1, order + 1):
        own, other = grams(a, n), grams(b, n)
        if not own or not other:
            continue
        alike = sum((own & other).values())
        precisions.append(alike / sum(own.values()))
        recalls.append(alike / sum(other.values()))
    if not precisions:
        return 0.0
    precision, recall = sum(precisions) / len(precisions), sum(recalls) / len(recalls)
    below = beta ** 2 * precision + recall
    return (1 + beta ** 2) * precision * recall / below if below else 0.0


def distance(a, b):
    row = list(range(len(b) + 1))
    for i, x in enumerate(a):
        new = [i + 1]
        for j, y in enumerate(b):
            new.append(min(row[j] + (x != y), new[j] + 1, row[j + 1] + 1))
        row = new
    return row[-1]


def anls(answer, expected):
    def plain(text):
        return "".join(c.lower() if c.isascii() else c for c in text.strip())
    a, b = plain(answer), plain(expected)
    longer = max(len(a), len(b))
    apart = distance(a, b) / longer if longer else 0.0
    return 1 - apart if apart < 0.5 else 0.0


def cider(pairs):
    """CIDEr-D: one reference each, document frequencies over the references; the length that the
    Gaussian looks at is the number of pairs of words, as pycocoevalcap has it."""
    answers = [rouge_words(answer) for answer, _ in pairs]
    references = [rouge_words(expected) for _, expected in pairs]
    with_it = Counter(gram for words in references
                      for n in range(1, 5) for gram in grams(words, n))
    log_count = math.log(len(references))

    def vector(words, n):
        return {gram: count * (log_count - math.log(max(1, with_it[gram])))
                for gram, count in grams(words, n).items()}

    found = []
    for a, b in zip(answers, references):
        score = 0.0
        apart = sum(grams(a, 2).values()) - sum(grams(b, 2).values())
        for n in range(1, 5):
            own, other = vector(a, n), vector(b, n)
            alike = sum(min(own[gram], other[gram]) * other[gram] for gram in own if gram in other)
            norms = math.sqrt(sum(x * x for x in own.values())) * math.sqrt(
                sum(x * x for x in other.values()))
            score += (alike / norms if norms else alike) * math.exp(-apart ** 2 / (2 * 6 ** 2))
        found.append(10 * score / 4)
    return found


# The weight of a gram that every reference has is zero, and document frequencies count a reference
# once however often it has the gram: grams() of one reference lists each gram once.


def made():
    cases = []
    counts = [bleu_counts(*pair) for pair in PAIRS]
    for (answer, expected), own, cider_d in zip(PAIRS, counts, cider(PAIRS)):
        cases.append({"answer": answer, "expected": expected, "rouge_l": rouge_l(answer, expected),
                      "bleu": bleu(*own, True), "chrf": chrf(answer, expected),
                      "anls": anls(answer, expected), "cider": cider_d})
    total = ([sum(each[0][n] for each in counts) for n in range(4)],
             [sum(each[1][n] for each in counts) for n in range(4)],
             sum(each[2] for each in counts), sum(each[3] for each in counts))
    return {"cases": cases, "corpus_bleu": bleu(*total, False)}


def check(table):
    """Against the programs themselves."""
    from pycocoevalcap.cider.cider_scorer import CiderScorer
    from rouge_score.rouge_scorer import RougeScorer
    from sacrebleu import corpus_bleu, sentence_bleu, sentence_chrf
    held = Counter()

    def near(name, case, ours, theirs):
        assert abs(theirs - ours) < 1e-9, (name, case, ours, theirs)
        held[name] += 1
    rouge = RougeScorer(["rougeL"])
    captions = CiderScorer()
    for case in table["cases"]:
        answer, expected = case["answer"], case["expected"]
        near("bleu", case, case["bleu"], sentence_bleu(answer, [expected]).score / 100)
        if answer.strip() and expected.strip():   # sacrebleu has no chrF of nothing
            near("chrf", case, case["chrf"], sentence_chrf(answer, [expected]).score / 100)
        # rouge-score drops what is not ASCII, and has no measure of two texts without a word.
        if (answer + expected).isascii() and answer and expected:
            near("rouge_l", case, case["rouge_l"], rouge.score(expected, answer)["rougeL"].fmeasure)
        # Words as ours: its own tokenizer is a program in Java.
        captions += (" ".join(rouge_words(answer)), [" ".join(rouge_words(expected))])
    for case, theirs in zip(table["cases"], captions.compute_score()[1]):
        near("cider", case, case["cider"], theirs)
    near("corpus bleu", {}, table["corpus_bleu"],
         corpus_bleu([case["answer"] for case in table["cases"]],
                     [[case["expected"] for case in table["cases"]]]).score / 100)
    print(", ".join(f"{name} {count}" for name, count in held.items()))


if __name__ == "__main__":
    table = made()
    if "--check" in sys.argv:
        check(table)
    else:
        Path(__file__).with_name("answer_measures.json").write_text(
            json.dumps(table, ensure_ascii=False, indent=1) + "\n")
