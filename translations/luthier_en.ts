<?xml version="1.0" encoding="utf-8"?>
<!DOCTYPE TS>
<TS version="2.1" language="en" sourcelanguage="en">
    <context>
        <name>CompareExport</name>
        <message>
            <source>base</source>
            <translation>base</translation>
        </message>
        <message>
            <source>sample</source>
            <translation>sample</translation>
        </message>
        <message>
            <source>expected</source>
            <translation>expected</translation>
        </message>
        <message>
            <source>reference</source>
            <translation>reference</translation>
        </message>
        <message>
            <source>%1 beside %2</source>
            <translation>%1 beside %2</translation>
        </message>
        <message>
            <source>samples: %1</source>
            <translation>samples: %1</translation>
        </message>
        <message>
            <source>%1 of %2 answers</source>
            <translation>%1 of %2 answers</translation>
        </message>
        <message>
            <source>greedy</source>
            <translation>greedy</translation>
        </message>
        <message>
            <source>sampled</source>
            <translation>sampled</translation>
        </message>
        <message>
            <source>strength %1</source>
            <translation>strength %1</translation>
        </message>
        <message>
            <source>whole checkpoint</source>
            <translation>whole checkpoint</translation>
        </message>
        <message>
            <source>words that differ from it are marked; hover a word for its probability</source>
            <translation>words that differ from it are marked; hover a word for its probability</translation>
        </message>
        <message>
            <source>%1 tokens</source>
            <translation>%1 tokens</translation>
        </message>
        <message>
            <source>cut at the limit</source>
            <translation>cut at the limit</translation>
        </message>
        <message>
            <source>exact</source>
            <translation>exact</translation>
        </message>
        <message>
            <source>not asked</source>
            <translation>not asked</translation>
        </message>
        <message>
            <source>%1 of %2</source>
            <translation>%1 of %2</translation>
        </message>
        <message>
            <source>exact match</source>
            <translation>exact match</translation>
        </message>
        <message>
            <source>token F1</source>
            <translation>token F1</translation>
        </message>
        <message>
            <source>chrF</source>
            <translation>chrF</translation>
        </message>
        <message>
            <source>valid JSON</source>
            <translation>valid JSON</translation>
        </message>
        <message>
            <source>reward</source>
            <translation>reward</translation>
        </message>
        <message>
            <source>win rate</source>
            <translation>win rate</translation>
        </message>
        <message>
            <source>rewards by %1</source>
            <translation>rewards by %1</translation>
        </message>
        <message>
            <source>box overlap</source>
            <translation>box overlap</translation>
        </message>
        <message>
            <source>pattern</source>
            <translation>pattern</translation>
        </message>
        <message>
            <source>under every column, the answer of</source>
            <translation>under every column, the answer of</translation>
        </message>
        <message>
            <source>judged blind, 95 % interval</source>
            <translation>judged blind, 95 % interval</translation>
        </message>
    </context>
    <context>
        <name>CurveExport</name>
        <message>
            <source>Export the curves</source>
            <translation>Export the curves</translation>
        </message>
        <message>
            <source>%1 could not be written: %2. Choose another folder.</source>
            <translation>%1 could not be written: %2. Choose another folder.</translation>
        </message>
        <message>
            <source>the file cannot be opened for writing</source>
            <translation>the file cannot be opened for writing</translation>
        </message>
    </context>
    <context>
        <name>event</name>
        <message>
            <source>started</source>
            <translation>started</translation>
        </message>
        <message>
            <source>resumed</source>
            <translation>resumed</translation>
        </message>
        <message>
            <source>device</source>
            <translation>device</translation>
        </message>
        <message>
            <source>paused</source>
            <translation>paused</translation>
        </message>
        <message>
            <source>continued</source>
            <translation>continued</translation>
        </message>
        <message>
            <source>learning_rate</source>
            <translation>rate changed</translation>
        </message>
        <message>
            <source>checkpoint</source>
            <translation>checkpoint</translation>
        </message>
        <message>
            <source>warning</source>
            <translation>warning</translation>
        </message>
        <message>
            <source>finished</source>
            <translation>finished</translation>
        </message>
        <message>
            <source>stopped</source>
            <translation>stopped</translation>
        </message>
        <message>
            <source>failed</source>
            <translation>failed</translation>
        </message>
        <message>
            <source>max_grad_norm</source>
            <translation>clipping</translation>
        </message>
        <message>
            <source>logging_steps</source>
            <translation>logging</translation>
        </message>
        <message>
            <source>best</source>
            <translation>best</translation>
        </message>
        <message>
            <source>early_stop</source>
            <translation>stopped early</translation>
        </message>
        <message>
            <source>result</source>
            <translation>result</translation>
        </message>
        <message>
            <source>forgetting</source>
            <translation>probe</translation>
        </message>
        <message>
            <source>alarm</source>
            <translation>alarm</translation>
        </message>
        <message>
            <source>forked</source>
            <translation>forked</translation>
        </message>
    </context>
    <context>
        <name>finding</name>
        <message>
            <source>bad_row</source>
            <translation>unreadable row</translation>
        </message>
        <message>
            <source>missing_image</source>
            <translation>missing picture</translation>
        </message>
        <message>
            <source>broken_image</source>
            <translation>broken picture</translation>
        </message>
        <message>
            <source>missing_film</source>
            <translation>missing film</translation>
        </message>
        <message>
            <source>broken_film</source>
            <translation>broken film</translation>
        </message>
        <message>
            <source>image_marks</source>
            <translation>picture marks</translation>
        </message>
        <message>
            <source>empty_answer</source>
            <translation>empty answer</translation>
        </message>
        <message>
            <source>equal_answers</source>
            <translation>equal answers</translation>
        </message>
        <message>
            <source>no_labels</source>
            <translation>nothing to learn</translation>
        </message>
        <message>
            <source>too_long</source>
            <translation>too long</translation>
        </message>
        <message>
            <source>duplicate</source>
            <translation>duplicate</translation>
        </message>
        <message>
            <source>template</source>
            <translation>template</translation>
        </message>
        <message>
            <source>unsupported_media</source>
            <translation>video or sound</translation>
        </message>
        <message>
            <source>unsupported_tools</source>
            <translation>tools</translation>
        </message>
        <message>
            <source>unknown_key</source>
            <translation>unknown key</translation>
        </message>
        <message>
            <source>near_duplicate</source>
            <translation>Nearly the same</translation>
        </message>
    </context>
    <context>
        <name>luthier::AnswerCell</name>
        <message>
            <source>waiting…</source>
            <translation>waiting…</translation>
        </message>
        <message>
            <source>not asked yet</source>
            <translation>not asked yet</translation>
        </message>
        <message>
            <source>= reference</source>
            <translation>= reference</translation>
        </message>
        <message>
            <source>≠ reference</source>
            <translation>≠ reference</translation>
        </message>
        <message>
            <source>✓ exact</source>
            <translation>✓ exact</translation>
        </message>
        <message>
            <source>✗ not exact</source>
            <translation>✗ not exact</translation>
        </message>
        <message>
            <source>p %1</source>
            <translation>p %1</translation>
        </message>
        <message numerus="yes">
            <source>%n tokens</source>
            <translation>
                <numerusform>%n token</numerusform>
                <numerusform>%n tokens</numerusform>
            </translation>
        </message>
        <message>
            <source>%1 ms</source>
            <translation>%1 ms</translation>
        </message>
        <message>
            <source>cut at the limit</source>
            <translation>cut at the limit</translation>
        </message>
        <message>
            <source>reward %1</source>
            <translation>reward %1</translation>
        </message>
        <message>
            <source>Score this answer: how likely every column holds each of its tokens</source>
            <translation>Score this answer: how likely every column holds each of its tokens</translation>
        </message>
        <message>
            <source>Score the answer of %1 by every column</source>
            <translation>Score the answer of %1 by every column</translation>
        </message>
        <message>
            <source>✓ pattern</source>
            <translation>✓ pattern</translation>
        </message>
        <message>
            <source>✗ pattern</source>
            <translation>✗ pattern</translation>
        </message>
    </context>
    <context>
        <name>luthier::AskPanel</name>
        <message>
            <source>Choose a picture</source>
            <translation>Choose a picture</translation>
        </message>
        <message>
            <source>Ask about the picture…</source>
            <translation>Ask about the picture…</translation>
        </message>
        <message>
            <source>Ask…</source>
            <translation>Ask…</translation>
        </message>
        <message>
            <source>Question</source>
            <translation>Question</translation>
        </message>
        <message>
            <source>Take a row</source>
            <translation>Take a row</translation>
        </message>
        <message>
            <source>Picture and question of the next evaluation row (of the training data where there is none)</source>
            <translation>Picture and question of the next evaluation row (of the training data where there is none)</translation>
        </message>
        <message>
            <source>As&amp;k now</source>
            <translation>As&amp;k now</translation>
        </message>
        <message>
            <source>Answered by the base and by the adapter as it stands now; training waits one moment and goes on</source>
            <translation>Answered by the base and by the adapter as it stands now; training waits one moment and goes on</translation>
        </message>
        <message>
            <source>Ask while it trains or is paused: base and adapter answer here.</source>
            <translation>Ask while it trains or is paused: base and adapter answer here.</translation>
        </message>
        <message>
            <source>Pictures (*.png *.jpg *.jpeg *.webp *.gif *.bmp *.tif *.tiff)</source>
            <translation>Pictures (*.png *.jpg *.jpeg *.webp *.gif *.bmp *.tif *.tiff)</translation>
        </message>
        <message>
            <source>at step %1</source>
            <translation>at step %1</translation>
        </message>
        <message>
            <source>base</source>
            <translation>base</translation>
        </message>
        <message>
            <source>in training</source>
            <translation>in training</translation>
        </message>
    </context>
    <context>
        <name>luthier::Banner</name>
        <message>
            <source>Dismiss</source>
            <translation>Dismiss</translation>
        </message>
    </context>
    <context>
        <name>luthier::ColumnHead</name>
        <message>
            <source>base</source>
            <translation>base</translation>
        </message>
        <message>
            <source>Make it the reference</source>
            <translation>Make it the reference</translation>
        </message>
        <message>
            <source>%1: make it the reference</source>
            <translation>%1: make it the reference</translation>
        </message>
        <message>
            <source>reference</source>
            <translation>reference</translation>
        </message>
        <message>
            <source>strength</source>
            <translation>strength</translation>
        </message>
        <message>
            <source>Strength of the adapter</source>
            <translation>Strength of the adapter</translation>
        </message>
        <message>
            <source>1 is as trained, 0 is the base</source>
            <translation>1 is as trained, 0 is the base</translation>
        </message>
        <message>
            <source>checkpoint</source>
            <translation>checkpoint</translation>
        </message>
        <message>
            <source>A whole checkpoint: loaded when it is asked, then let go</source>
            <translation>A whole checkpoint: loaded when it is asked, then let go</translation>
        </message>
        <message>
            <source>Drop this column</source>
            <translation>Drop this column</translation>
        </message>
        <message>
            <source>%1: drop this column</source>
            <translation>%1: drop this column</translation>
        </message>
    </context>
    <context>
        <name>luthier::CommandDialog</name>
        <message>
            <source>Trains with these settings from a terminal. They were written to %1.</source>
            <translation>Trains with these settings from a terminal. They were written to %1.</translation>
        </message>
        <message>
            <source>Trains with these settings from a terminal, by the recipe %1.</source>
            <translation>Trains with these settings from a terminal, by the recipe %1.</translation>
        </message>
        <message>
            <source>Save the recipe</source>
            <translation>Save the recipe</translation>
        </message>
        <message>
            <source>Recipes (*.yaml *.yml)</source>
            <translation>Recipes (*.yaml *.yml)</translation>
        </message>
        <message>
            <source>The command line</source>
            <translation>The command line</translation>
        </message>
        <message>
            <source>&amp;Save the recipe elsewhere…</source>
            <translation>&amp;Save the recipe elsewhere…</translation>
        </message>
        <message>
            <source>&amp;Copy</source>
            <translation>&amp;Copy</translation>
        </message>
        <message>
            <source>C&amp;lose</source>
            <translation>C&amp;lose</translation>
        </message>
    </context>
    <context>
        <name>luthier::CompareGrid</name>
        <message>
            <source>Sample</source>
            <translation>Sample</translation>
        </message>
        <message>
            <source>Exact match</source>
            <translation>Exact match</translation>
        </message>
        <message>
            <source>%1 of %2</source>
            <translation>%1 of %2</translation>
        </message>
        <message>
            <source>token F1 %1</source>
            <translation>token F1 %1</translation>
        </message>
        <message>
            <source>valid JSON %1</source>
            <translation>valid JSON %1</translation>
        </message>
        <message>
            <source>reward %1</source>
            <translation>reward %1</translation>
        </message>
        <message>
            <source>win rate %1 of %2</source>
            <translation>win rate %1 of %2</translation>
        </message>
        <message>
            <source>base</source>
            <translation>base</translation>
        </message>
        <message>
            <source>pattern %1</source>
            <translation>pattern %1</translation>
        </message>
        <message>
            <source>box overlap %1</source>
            <translation>box overlap %1</translation>
        </message>
    </context>
    <context>
        <name>luthier::ComparePage</name>
        <message>
            <source>&amp;Adapter</source>
            <translation>&amp;Adapter</translation>
        </message>
        <message>
            <source>&amp;Samples…</source>
            <translation>&amp;Samples…</translation>
        </message>
        <message>
            <source>A file of rows; their last answer is the expected one</source>
            <translation>A file of rows; their last answer is the expected one</translation>
        </message>
        <message>
            <source> samples</source>
            <translation> samples</translation>
        </message>
        <message>
            <source>How many samples</source>
            <translation>How many samples</translation>
        </message>
        <message>
            <source>seed </source>
            <translation>seed </translation>
        </message>
        <message>
            <source>Seed</source>
            <translation>Seed</translation>
        </message>
        <message>
            <source>greedy</source>
            <translation>greedy</translation>
        </message>
        <message>
            <source>How tokens are chosen</source>
            <translation>How tokens are chosen</translation>
        </message>
        <message>
            <source>max </source>
            <translation>max </translation>
        </message>
        <message>
            <source> tokens</source>
            <translation> tokens</translation>
        </message>
        <message>
            <source>Most tokens in an answer</source>
            <translation>Most tokens in an answer</translation>
        </message>
        <message>
            <source>Run &amp;all</source>
            <translation>Run &amp;all</translation>
        </message>
        <message>
            <source>Cancel</source>
            <translation>Cancel</translation>
        </message>
        <message>
            <source>Export the comparison</source>
            <translation>Export the comparison</translation>
        </message>
        <message>
            <source>As a page (HTML)…</source>
            <translation>As a page (HTML)…</translation>
        </message>
        <message>
            <source>As data (JSON)…</source>
            <translation>As data (JSON)…</translation>
        </message>
        <message>
            <source>Open samples</source>
            <translation>Open samples</translation>
        </message>
        <message>
            <source>Rows (*.jsonl *.json)</source>
            <translation>Rows (*.jsonl *.json)</translation>
        </message>
        <message>
            <source>The comparison was written to %1.</source>
            <translation>The comparison was written to %1.</translation>
        </message>
        <message>
            <source>First a model</source>
            <translation>First a model</translation>
        </message>
        <message>
            <source>Adapters are compared on one base that stays loaded.</source>
            <translation>Adapters are compared on one base that stays loaded.</translation>
        </message>
        <message>
            <source>Choose a model</source>
            <translation>Choose a model</translation>
        </message>
        <message>
            <source>No samples yet</source>
            <translation>No samples yet</translation>
        </message>
        <message>
            <source>Open a file of rows: every adapter answers the same questions, next to the base.</source>
            <translation>Open a file of rows: every adapter answers the same questions, next to the base.</translation>
        </message>
        <message>
            <source>Open samples…</source>
            <translation>Open samples…</translation>
        </message>
        <message>
            <source>base: %1</source>
            <translation>base: %1</translation>
        </message>
        <message>
            <source>Another column: an adapter on the base, or a whole checkpoint beside it</source>
            <translation>Another column: an adapter on the base, or a whole checkpoint beside it</translation>
        </message>
        <message>
            <source>Open a folder…</source>
            <translation>Open a folder…</translation>
        </message>
        <message>
            <source>Open an adapter, a checkpoint or a run</source>
            <translation>Open an adapter, a checkpoint or a run</translation>
        </message>
        <message numerus="yes">
            <source>%n rows cannot be read and were passed over. The first: %1</source>
            <translation>
                <numerusform>%n row cannot be read and was passed over: %1</numerusform>
                <numerusform>%n rows cannot be read and were passed over. The first: %1</numerusform>
            </translation>
        </message>
        <message numerus="yes">
            <source>All %n answers are there for these settings. Another sampling, seed, length or strength asks again what it changes.</source>
            <translation>
                <numerusform>The one answer is there for these settings. Another sampling, seed, length or strength asks again what it changes.</numerusform>
                <numerusform>All %n answers are there for these settings. Another sampling, seed, length or strength asks again what it changes.</numerusform>
            </translation>
        </message>
        <message>
            <source>Ask all again</source>
            <translation>Ask all again</translation>
        </message>
        <message>
            <source>A model must be loaded first</source>
            <translation>A model must be loaded first</translation>
        </message>
        <message>
            <source>Open samples first</source>
            <translation>Open samples first</translation>
        </message>
        <message>
            <source>Not now: %1</source>
            <translation>Not now: %1</translation>
        </message>
        <message>
            <source>Asks for the answers that are not there yet</source>
            <translation>Asks for the answers that are not there yet</translation>
        </message>
        <message>
            <source>Every answer gets its reward by a model that a run with the objective reward or prm has left; each column its mean, and how often it is above the reference's</source>
            <translation>Every answer gets its reward by a model that a run with the objective reward or prm has left; each column its mean, and how often it is above the reference's</translation>
        </message>
        <message>
            <source>None</source>
            <translation>None</translation>
        </message>
        <message>
            <source>Open a reward model, or a run that left one</source>
            <translation>Open a reward model, or a run that left one</translation>
        </message>
        <message>
            <source>Reward model</source>
            <translation>Reward model</translation>
        </message>
        <message>
            <source>Rewards: %1</source>
            <translation>Rewards: %1</translation>
        </message>
        <message>
            <source>The comparison was kept in %1.</source>
            <translation>The comparison was kept in %1.</translation>
        </message>
        <message>
            <source>The comparison is as it was kept in %1.</source>
            <translation>The comparison is as it was kept in %1.</translation>
        </message>
        <message>
            <source>Columns of the comparison are not there any more: %1.</source>
            <translation>Columns of the comparison are not there any more: %1.</translation>
        </message>
        <message>
            <source>Ask something of your own, with a picture or without</source>
            <translation>Ask something of your own, with a picture or without</translation>
        </message>
        <message>
            <source>Ask something of your own</source>
            <translation>Ask something of your own</translation>
        </message>
        <message>
            <source>Keep this comparison with its run, or open one that was kept</source>
            <translation>Keep this comparison with its run, or open one that was kept</translation>
        </message>
        <message>
            <source>Kept comparisons</source>
            <translation>Kept comparisons</translation>
        </message>
        <message>
            <source>As a table (CSV)…</source>
            <translation>As a table (CSV)…</translation>
        </message>
        <message>
            <source>Hover a token: its probability and the runners-up; click it: where it looked. Click a column's name: make it the reference. Underlined words differ from it.</source>
            <translation>Hover a token: its probability and the runners-up; click it: where it looked. Click a column's name: make it the reference. Underlined words differ from it.</translation>
        </message>
        <message>
            <source>Side by side</source>
            <translation>Side by side</translation>
        </message>
        <message>
            <source>Table</source>
            <translation>Table</translation>
        </message>
        <message>
            <source>Blind</source>
            <translation>Blind</translation>
        </message>
        <message>
            <source>Samples and columns beside one another</source>
            <translation>Samples and columns beside one another</translation>
        </message>
        <message>
            <source>All samples as a table: sort, filter, search</source>
            <translation>All samples as a table: sort, filter, search</translation>
        </message>
        <message>
            <source>Judge the answers without knowing whose they are</source>
            <translation>Judge the answers without knowing whose they are</translation>
        </message>
        <message>
            <source>right by pattern</source>
            <translation>right by pattern</translation>
        </message>
        <message>
            <source>A pattern that right answers match</source>
            <translation>A pattern that right answers match</translation>
        </message>
        <message>
            <source>A regular expression (as Python's): an answer is right where what it finds first is what it finds in the expected answer, for example \b[A-D]\b; where nothing is expected, where it matches at all</source>
            <translation>A regular expression (as Python's): an answer is right where what it finds first is what it finds in the expected answer, for example \b[A-D]\b; where nothing is expected, where it matches at all</translation>
        </message>
    </context>
    <context>
        <name>luthier::DataPage</name>
        <message>
            <source>Row</source>
            <translation>Row</translation>
        </message>
        <message>
            <source>Finding</source>
            <translation>Finding</translation>
        </message>
        <message>
            <source>What is wrong</source>
            <translation>What is wrong</translation>
        </message>
        <message>
            <source>Training data</source>
            <translation>Training data</translation>
        </message>
        <message>
            <source>Evaluation data</source>
            <translation>Evaluation data</translation>
        </message>
        <message>
            <source>Which data to show</source>
            <translation>Which data to show</translation>
        </message>
        <message>
            <source>File of rows</source>
            <translation>File of rows</translation>
        </message>
        <message>
            <source>Chec&amp;k all rows</source>
            <translation>Chec&amp;k all rows</translation>
        </message>
        <message>
            <source>Missing pictures, wrong marks, empty answers, rows too long, duplicates: before training meets them</source>
            <translation>Missing pictures, wrong marks, empty answers, rows too long, duplicates: before training meets them</translation>
        </message>
        <message>
            <source>Cancel</source>
            <translation>Cancel</translation>
        </message>
        <message>
            <source>Rows</source>
            <translation>Rows</translation>
        </message>
        <message>
            <source>Findings</source>
            <translation>Findings</translation>
        </message>
        <message>
            <source>The check was cancelled.</source>
            <translation>The check was cancelled.</translation>
        </message>
        <message>
            <source>Open rows</source>
            <translation>Open rows</translation>
        </message>
        <message>
            <source>First a model</source>
            <translation>First a model</translation>
        </message>
        <message>
            <source>How rows become tokens depends on the model: its tokenizer, chat template and picture size.</source>
            <translation>How rows become tokens depends on the model: its tokenizer, chat template and picture size.</translation>
        </message>
        <message>
            <source>Choose a model</source>
            <translation>Choose a model</translation>
        </message>
        <message>
            <source>No rows yet</source>
            <translation>No rows yet</translation>
        </message>
        <message>
            <source>Open a file…</source>
            <translation>Open a file…</translation>
        </message>
        <message>
            <source>One row. Not checked yet.</source>
            <translation>One row. Not checked yet.</translation>
        </message>
        <message>
            <source>%1 rows. Not checked yet.</source>
            <translation>%1 rows. Not checked yet.</translation>
        </message>
        <message>
            <source>%1 rows checked, all usable. The longest has %2 tokens.</source>
            <translation>%1 rows checked, all usable. The longest has %2 tokens.</translation>
        </message>
        <message numerus="yes">
            <source>%1 rows checked, %2 usable, %n findings. The longest has %3 tokens.</source>
            <translation>
                <numerusform>%1 rows checked, %2 usable, %n finding. The longest has %3 tokens.</numerusform>
                <numerusform>%1 rows checked, %2 usable, %n findings. The longest has %3 tokens.</numerusform>
            </translation>
        </message>
        <message>
            <source>Rows of %1</source>
            <translation>Rows of %1</translation>
        </message>
        <message>
            <source>From &amp;pictures…</source>
            <translation>From &amp;pictures…</translation>
        </message>
        <message>
            <source>A folder of pictures becomes rows: ask, answer, compare, judge</source>
            <translation>A folder of pictures becomes rows: ask, answer, compare, judge</translation>
        </message>
        <message>
            <source>A file of rows, or a folder; drop one here</source>
            <translation>A file of rows, or a folder; drop one here</translation>
        </message>
        <message>
            <source>&amp;Open</source>
            <translation>&amp;Open</translation>
        </message>
        <message>
            <source>A &amp;file of rows…</source>
            <translation>A &amp;file of rows…</translation>
        </message>
        <message>
            <source>A f&amp;older…</source>
            <translation>A f&amp;older…</translation>
        </message>
        <message>
            <source>&amp;Download from a hub…</source>
            <translation>&amp;Download from a hub…</translation>
        </message>
        <message>
            <source>Rows (*.jsonl *.json *.ndjson *.csv *.tsv *.parquet *.arrow *.tar)</source>
            <translation>Rows (*.jsonl *.json *.ndjson *.csv *.tsv *.parquet *.arrow *.tar)</translation>
        </message>
        <message>
            <source>Open a folder of rows</source>
            <translation>Open a folder of rows</translation>
        </message>
        <message>
            <source>Open or drop a file or a folder of rows: JSON lines, JSON, CSV, Parquet, Arrow, tar, a dataset of the datasets library, or pictures with their captions beside them.</source>
            <translation>Open or drop a file or a folder of rows: JSON lines, JSON, CSV, Parquet, Arrow, tar, a dataset of the datasets library, or pictures with their captions beside them.</translation>
        </message>
        <message>
            <source>%1 of them are shown.</source>
            <translation>%1 of them are shown.</translation>
        </message>
        <message>
            <source>Leave out all like it</source>
            <translation>Leave out all like it</translation>
        </message>
        <message>
            <source>Put it right</source>
            <translation>Put it right</translation>
        </message>
        <message>
            <source>Put all like it right</source>
            <translation>Put all like it right</translation>
        </message>
        <message>
            <source>Write a copy…</source>
            <translation>Write a copy…</translation>
        </message>
        <message>
            <source>Take it back</source>
            <translation>Take it back</translation>
        </message>
        <message>
            <source>Leave it out</source>
            <translation>Leave it out</translation>
        </message>
        <message>
            <source>%1 left out, %2 put right</source>
            <translation>%1 left out, %2 put right</translation>
        </message>
        <message>
            <source>The rows have columns that are called otherwise than rows are read by.</source>
            <translation>The rows have columns that are called otherwise than rows are read by.</translation>
        </message>
        <message>
            <source>Choose columns…</source>
            <translation>Choose columns…</translation>
        </message>
        <message>
            <source>Written: %1</source>
            <translation>Written: %1</translation>
        </message>
        <message>
            <source>Written: %1 and %2</source>
            <translation>Written: %1 and %2</translation>
        </message>
    </context>
    <context>
        <name>luthier::EventTable</name>
        <message>
            <source>Events of the run</source>
            <translation>Events of the run</translation>
        </message>
        <message>
            <source>Time</source>
            <translation>Time</translation>
        </message>
        <message>
            <source>Step</source>
            <translation>Step</translation>
        </message>
        <message>
            <source>Event</source>
            <translation>Event</translation>
        </message>
        <message>
            <source>Detail</source>
            <translation>Detail</translation>
        </message>
    </context>
    <context>
        <name>luthier::FieldEditor</name>
        <message>
            <source>Rows (*.jsonl *.json)</source>
            <translation>Rows (*.jsonl *.json)</translation>
        </message>
        <message>
            <source>Back to the default</source>
            <translation>Back to the default</translation>
        </message>
        <message>
            <source>%1: back to the default</source>
            <translation>%1: back to the default</translation>
        </message>
        <message>
            <source>%1: browse</source>
            <translation>%1: browse</translation>
        </message>
    </context>
    <context>
        <name>luthier::ForecastCard</name>
        <message>
            <source>Memory forecast</source>
            <translation>Memory forecast</translation>
        </message>
        <message>
            <source>Tr&amp;y one step</source>
            <translation>Tr&amp;y one step</translation>
        </message>
        <message>
            <source>One step on the longest row, nothing written: what memory it really takes</source>
            <translation>One step on the longest row, nothing written: what memory it really takes</translation>
        </message>
        <message>
            <source>&amp;Launch</source>
            <translation>&amp;Launch</translation>
        </message>
        <message>
            <source>Train with these settings (F5)</source>
            <translation>Train with these settings (F5)</translation>
        </message>
        <message>
            <source>Choose a model and training data: the forecast follows every setting.</source>
            <translation>Choose a model and training data: the forecast follows every setting.</translation>
        </message>
        <message>
            <source>Choose training data: the forecast needs its longest row.</source>
            <translation>Choose training data: the forecast needs its longest row.</translation>
        </message>
        <message>
            <source>Reading the lengths of the rows…</source>
            <translation>Reading the lengths of the rows…</translation>
        </message>
        <message>
            <source>weights</source>
            <translation>weights</translation>
        </message>
        <message>
            <source>adapter</source>
            <translation>adapter</translation>
        </message>
        <message>
            <source>gradients</source>
            <translation>gradients</translation>
        </message>
        <message>
            <source>optimizer</source>
            <translation>optimizer</translation>
        </message>
        <message>
            <source>activations</source>
            <translation>activations</translation>
        </message>
        <message>
            <source>workspace</source>
            <translation>workspace</translation>
        </message>
        <message>
            <source>CUDA context</source>
            <translation>CUDA context</translation>
        </message>
        <message>
            <source>cuBLAS</source>
            <translation>cuBLAS</translation>
        </message>
        <message>
            <source>fragmentation</source>
            <translation>fragmentation</translation>
        </message>
        <message>
            <source>recordings</source>
            <translation>recordings</translation>
        </message>
        <message>
            <source>%1 of %2 free</source>
            <translation>%1 of %2 free</translation>
        </message>
        <message>
            <source>%1 trainable parameters (%2 of the base)</source>
            <translation>%1 trainable parameters (%2 of the base)</translation>
        </message>
        <message>
            <source>%1 trainable parameters</source>
            <translation>%1 trainable parameters</translation>
        </message>
        <message>
            <source>It will not fit: %1 are needed, %2 are free.</source>
            <translation>It will not fit: %1 are needed, %2 are free.</translation>
        </message>
        <message>
            <source>%1 of the optimizer's state wait in the machine's memory.</source>
            <translation>%1 of the optimizer's state wait in the machine's memory.</translation>
        </message>
        <message>
            <source>It will not be started like this.</source>
            <translation>It will not be started like this.</translation>
        </message>
        <message>
            <source>Trying one step on the longest row…</source>
            <translation>Trying one step on the longest row…</translation>
        </message>
        <message>
            <source>Measured: %1 (forecast %2, off by %3 %), %4 s a step.</source>
            <translation>Measured: %1 (forecast %2, off by %3 %), %4 s a step.</translation>
        </message>
        <message>
            <source>Of the last valid settings: %1</source>
            <translation>Of the last valid settings: %1</translation>
        </message>
    </context>
    <context>
        <name>luthier::FetchDialog</name>
        <message numerus="yes">
            <source>Complete and checked: %n files, %1. It is in %2.</source>
            <translation>
                <numerusform>Complete and checked: %n file, %1. It is in %2.</numerusform>
                <numerusform>Complete and checked: %n files, %1. It is in %2.</numerusform>
            </translation>
        </message>
        <message>
            <source>Download from a hub</source>
            <translation>Download from a hub</translation>
        </message>
        <message>
            <source>Download a model from a hub</source>
            <translation>Download a model from a hub</translation>
        </message>
        <message>
            <source>&amp;Repository</source>
            <translation>&amp;Repository</translation>
        </message>
        <message>
            <source>organisation/name</source>
            <translation>organisation/name</translation>
        </message>
        <message>
            <source>Repository</source>
            <translation>Repository</translation>
        </message>
        <message>
            <source>Re&amp;vision</source>
            <translation>Re&amp;vision</translation>
        </message>
        <message>
            <source>Revision</source>
            <translation>Revision</translation>
        </message>
        <message>
            <source>From %1 into %2, where other tools find it too. Only safetensors, JSON, templates and tokenizer files are fetched, and each is checked against the hash that the hub publishes. HF_ENDPOINT names another hub, HF_TOKEN opens gated repositories.</source>
            <translation>From %1 into %2, where other tools find it too. Only safetensors, JSON, templates and tokenizer files are fetched, and each is checked against the hash that the hub publishes. HF_ENDPOINT names another hub, HF_TOKEN opens gated repositories.</translation>
        </message>
        <message>
            <source>&amp;Download</source>
            <translation>&amp;Download</translation>
        </message>
        <message>
            <source>&amp;Stop the download</source>
            <translation>&amp;Stop the download</translation>
        </message>
        <message>
            <source>&amp;Load it</source>
            <translation>&amp;Load it</translation>
        </message>
        <message>
            <source>&amp;Close</source>
            <translation>&amp;Close</translation>
        </message>
        <message>
            <source>Asking the hub what the repository holds…</source>
            <translation>Asking the hub what the repository holds…</translation>
        </message>
        <message>
            <source>File %1 of %2: %3</source>
            <translation>File %1 of %2: %3</translation>
        </message>
        <message>
            <source>%1 of %2</source>
            <translation>%1 of %2</translation>
        </message>
        <message>
            <source>checking</source>
            <translation>checking</translation>
        </message>
        <message>
            <source>waiting for another program that fetches it</source>
            <translation>waiting for another program that fetches it</translation>
        </message>
        <message>
            <source>%1/s</source>
            <translation>%1/s</translation>
        </message>
        <message>
            <source>%1 left</source>
            <translation>%1 left</translation>
        </message>
        <message>
            <source>Stopped. What came is kept; download again to go on from there.</source>
            <translation>Stopped. What came is kept; download again to go on from there.</translation>
        </message>
        <message>
            <source>Download a dataset from a hub</source>
            <translation>Download a dataset from a hub</translation>
        </message>
        <message>
            <source>From %1 into %2, where other tools find it too. Rows (Parquet, Arrow, JSON, CSV, tar) and pictures are fetched, and each file is checked against the hash that the hub publishes. HF_ENDPOINT names another hub, HF_TOKEN opens gated repositories.</source>
            <translation>From %1 into %2, where other tools find it too. Rows (Parquet, Arrow, JSON, CSV, tar) and pictures are fetched, and each file is checked against the hash that the hub publishes. HF_ENDPOINT names another hub, HF_TOKEN opens gated repositories.</translation>
        </message>
        <message>
            <source>&amp;Use it</source>
            <translation>&amp;Use it</translation>
        </message>
    </context>
    <context>
        <name>luthier::MainWindow</name>
        <message>
            <source>Luthier</source>
            <translation>Luthier</translation>
        </message>
        <message>
            <source>Open a model folder</source>
            <translation>Open a model folder</translation>
        </message>
        <message>
            <source>The run “%1” was interrupted at step %2 of %3. It can go on from step %4.</source>
            <translation>The run “%1” was interrupted at step %2 of %3. It can go on from step %4.</translation>
        </message>
        <message>
            <source>Resume</source>
            <translation>Resume</translation>
        </message>
        <message>
            <source>Not now</source>
            <translation>Not now</translation>
        </message>
    </context>
    <context>
        <name>luthier::ModelList</name>
        <message>
            <source>On this machine</source>
            <translation>On this machine</translation>
        </message>
        <message>
            <source>Models on this machine</source>
            <translation>Models on this machine</translation>
        </message>
        <message>
            <source>&amp;Load the chosen model</source>
            <translation>&amp;Load the chosen model</translation>
        </message>
        <message>
            <source>&amp;Open a folder…</source>
            <translation>&amp;Open a folder…</translation>
        </message>
        <message>
            <source>A folder as transformers writes it: config.json, safetensors, tokenizer (Ctrl+O)</source>
            <translation>A folder as transformers writes it: config.json, safetensors, tokenizer (Ctrl+O)</translation>
        </message>
        <message>
            <source>teaching model, ships with Luthier</source>
            <translation>teaching model, ships with Luthier</translation>
        </message>
        <message>
            <source>opened before</source>
            <translation>opened before</translation>
        </message>
        <message>
            <source>in the hub's cache</source>
            <translation>in the hub's cache</translation>
        </message>
        <message>
            <source>Open a model folder</source>
            <translation>Open a model folder</translation>
        </message>
        <message>
            <source>&amp;Add a folder to the list…</source>
            <translation>&amp;Add a folder to the list…</translation>
        </message>
        <message>
            <source>A checkpoint, or a folder that holds checkpoints; it stays in this list</source>
            <translation>A checkpoint, or a folder that holds checkpoints; it stays in this list</translation>
        </message>
        <message>
            <source>Remove from the list</source>
            <translation>Remove from the list</translation>
        </message>
        <message>
            <source>Fetches a repository into the Hugging Face cache, where other tools find it too</source>
            <translation>Fetches a repository into the Hugging Face cache, where other tools find it too</translation>
        </message>
        <message>
            <source>not finished</source>
            <translation>not finished</translation>
        </message>
        <message>
            <source>not loadable</source>
            <translation>not loadable</translation>
        </message>
        <message>
            <source>looking…</source>
            <translation>looking…</translation>
        </message>
        <message>
            <source>in a folder that you added</source>
            <translation>in a folder that you added</translation>
        </message>
        <message>
            <source>&amp;Downloading… %1</source>
            <translation>&amp;Downloading… %1</translation>
        </message>
        <message>
            <source>&amp;Finish its download…</source>
            <translation>&amp;Finish its download…</translation>
        </message>
        <message>
            <source>&amp;Download from a hub…</source>
            <translation>&amp;Download from a hub…</translation>
        </message>
        <message>
            <source>Add a folder of models</source>
            <translation>Add a folder of models</translation>
        </message>
    </context>
    <context>
        <name>luthier::ModelPage</name>
        <message>
            <source>No model is loaded</source>
            <translation>No model is loaded</translation>
        </message>
        <message>
            <source>Open the folder of a checkpoint as transformers writes it, for pictures and text or for text alone, or load the teaching model from the list on the left.</source>
            <translation>Open the folder of a checkpoint as transformers writes it, for pictures and text or for text alone, or load the teaching model from the list on the left.</translation>
        </message>
        <message>
            <source>Open a folder…</source>
            <translation>Open a folder…</translation>
        </message>
        <message>
            <source>Loading…</source>
            <translation>Loading…</translation>
        </message>
        <message numerus="yes">
            <source>%1 · %2 on disk in %n files · loaded on %3 as %4 in %5 s</source>
            <translation>
                <numerusform>%1 · %2 on disk in %n file · loaded on %3 as %4 in %5 s</numerusform>
                <numerusform>%1 · %2 on disk in %n files · loaded on %3 as %4 in %5 s</numerusform>
            </translation>
        </message>
    </context>
    <context>
        <name>luthier::ModuleTree</name>
        <message>
            <source>Modules</source>
            <translation>Modules</translation>
        </message>
        <message>
            <source>Filter, e.g. q_proj</source>
            <translation>Filter, e.g. q_proj</translation>
        </message>
        <message>
            <source>Filter the modules</source>
            <translation>Filter the modules</translation>
        </message>
        <message numerus="yes">
            <source>%1 parameters train (%2 of %3 in the base), in %n modules</source>
            <translation>
                <numerusform>%1 parameters train (%2 of %3 in the base), in %n module</numerusform>
                <numerusform>%1 parameters train (%2 of %3 in the base), in %n modules</numerusform>
            </translation>
        </message>
        <message>
            <source>Tick linear layers to give them an adapter. Space ticks the row; with a filter, a branch's tick counts for what is shown.</source>
            <translation>Tick linear layers to give them an adapter. Space ticks the row; with a filter, a branch's tick counts for what is shown.</translation>
        </message>
        <message>
            <source>The method “%1” chooses what trains; parts are kept fixed on the Train page.</source>
            <translation>The method “%1” chooses what trains; parts are kept fixed on the Train page.</translation>
        </message>
        <message>
            <source>No module is called so</source>
            <translation>No module is called so</translation>
        </message>
        <message>
            <source>No module's name holds “%1”. The filter looks for a part of the whole name, such as layers.0 or q_proj.</source>
            <translation>No module's name holds “%1”. The filter looks for a part of the whole name, such as layers.0 or q_proj.</translation>
        </message>
        <message>
            <source>Clear the filter</source>
            <translation>Clear the filter</translation>
        </message>
    </context>
    <context>
        <name>luthier::ModuleTreeModel</name>
        <message>
            <source>trains</source>
            <translation>trains</translation>
        </message>
        <message>
            <source>fixed</source>
            <translation>fixed</translation>
        </message>
        <message>
            <source>trains in part</source>
            <translation>trains in part</translation>
        </message>
        <message>
            <source>Module</source>
            <translation>Module</translation>
        </message>
        <message>
            <source>Type</source>
            <translation>Type</translation>
        </message>
        <message>
            <source>Shape</source>
            <translation>Shape</translation>
        </message>
        <message>
            <source>Dtype</source>
            <translation>Dtype</translation>
        </message>
        <message>
            <source>Parameters</source>
            <translation>Parameters</translation>
        </message>
        <message>
            <source>Trains</source>
            <translation>Trains</translation>
        </message>
    </context>
    <context>
        <name>luthier::NavRail</name>
        <message>
            <source>&amp;Model</source>
            <translation>&amp;Model</translation>
        </message>
        <message>
            <source>&amp;Data</source>
            <translation>&amp;Data</translation>
        </message>
        <message>
            <source>&amp;Train</source>
            <translation>&amp;Train</translation>
        </message>
        <message>
            <source>&amp;Compare</source>
            <translation>&amp;Compare</translation>
        </message>
        <message>
            <source>&amp;Runs</source>
            <translation>&amp;Runs</translation>
        </message>
        <message>
            <source>Language</source>
            <translation>Language</translation>
        </message>
        <message>
            <source>Theme</source>
            <translation>Theme</translation>
        </message>
        <message>
            <source>As the system</source>
            <translation>As the system</translation>
        </message>
        <message>
            <source>Light</source>
            <translation>Light</translation>
        </message>
        <message>
            <source>Dark</source>
            <translation>Dark</translation>
        </message>
        <message>
            <source>Met&amp;hods</source>
            <translation>Met&amp;hods</translation>
        </message>
        <message>
            <source>Mer&amp;ge</source>
            <translation>Mer&amp;ge</translation>
        </message>
        <message>
            <source>Ran&amp;ks</source>
            <translation>Ran&amp;ks</translation>
        </message>
        <message>
            <source>St&amp;art</source>
            <translation>St&amp;art</translation>
        </message>
        <message>
            <source>Help</source>
            <translation>Help</translation>
        </message>
        <message>
            <source>Guided tour</source>
            <translation>Guided tour</translation>
        </message>
        <message>
            <source>Help on this page</source>
            <translation>Help on this page</translation>
        </message>
        <message>
            <source>Keyboard shortcuts</source>
            <translation>Keyboard shortcuts</translation>
        </message>
        <message>
            <source>Words</source>
            <translation>Words</translation>
        </message>
        <message>
            <source>Larger</source>
            <translation>Larger</translation>
        </message>
        <message>
            <source>Smaller</source>
            <translation>Smaller</translation>
        </message>
        <message>
            <source>Usual size</source>
            <translation>Usual size</translation>
        </message>
        <message>
            <source>Projector</source>
            <translation>Projector</translation>
        </message>
        <message>
            <source>Tell the desktop when a run ends</source>
            <translation>Tell the desktop when a run ends</translation>
        </message>
        <message>
            <source>Language, theme and size of words</source>
            <translation>Language, theme and size of words</translation>
        </message>
        <message>
            <source>&amp;Lab</source>
            <translation>&amp;Lab</translation>
        </message>
    </context>
    <context>
        <name>luthier::Page</name>
        <message>
            <source>Start anew</source>
            <translation>Start anew</translation>
        </message>
        <message>
            <source>Start anew and resume</source>
            <translation>Start anew and resume</translation>
        </message>
    </context>
    <context>
        <name>luthier::PartsView</name>
        <message>
            <source>%1 · %2</source>
            <translation>%1 · %2</translation>
        </message>
        <message>
            <source>Vision tower</source>
            <translation>Vision tower</translation>
        </message>
        <message>
            <source>%1 layers, width %2, %3 heads</source>
            <translation>%1 layers, width %2, %3 heads</translation>
        </message>
        <message>
            <source>no layers, width %1</source>
            <translation>no layers, width %1</translation>
        </message>
        <message>
            <source>Projector</source>
            <translation>Projector</translation>
        </message>
        <message>
            <source>%1 → %2</source>
            <translation>%1 → %2</translation>
        </message>
        <message>
            <source>Language model</source>
            <translation>Language model</translation>
        </message>
        <message>
            <source>%1 layers, width %2, %3 heads, %4 words</source>
            <translation>%1 layers, width %2, %3 heads, %4 words</translation>
        </message>
        <message>
            <source>picture
%1 × %2</source>
            <translation>picture
%1 × %2</translation>
        </message>
        <message>
            <source>%1 patches</source>
            <translation>%1 patches</translation>
        </message>
        <message>
            <source>%1 tokens</source>
            <translation>%1 tokens</translation>
        </message>
        <message>
            <source>one token</source>
            <translation>one token</translation>
        </message>
        <message>
            <source>%1 to %2</source>
            <translation>%1 to %2</translation>
        </message>
        <message>
            <source>tokens by its shape</source>
            <translation>tokens by its shape</translation>
        </message>
        <message>
            <source>Every picture is brought to %1 × %2 pixels.</source>
            <translation>Every picture is brought to %1 × %2 pixels.</translation>
        </message>
        <message>
            <source>picture
%1 tiles
%2 × %3</source>
            <translation>picture
%1 tiles
%2 × %3</translation>
        </message>
        <message>
            <source>%1 patches a tile</source>
            <translation>%1 patches a tile</translation>
        </message>
        <message>
            <source>A picture's shape decides into how many tiles of %1 × %2 pixels it is cut.</source>
            <translation>A picture's shape decides into how many tiles of %1 × %2 pixels it is cut.</translation>
        </message>
        <message>
            <source>picture
of any size</source>
            <translation>picture
of any size</translation>
        </message>
        <message>
            <source>A picture keeps its shape, and its size decides how many patches it has, between the bounds of the picture processor or those of the settings.</source>
            <translation>A picture keeps its shape, and its size decides how many patches it has, between the bounds of the picture processor or those of the settings.</translation>
        </message>
        <message>
            <source>picture</source>
            <translation>picture</translation>
        </message>
        <message>
            <source>patches</source>
            <translation>patches</translation>
        </message>
        <message>
            <source>tokens</source>
            <translation>tokens</translation>
        </message>
    </context>
    <context>
        <name>luthier::RecipeForm</name>
        <message>
            <source>Settings</source>
            <translation>Settings</translation>
        </message>
        <message>
            <source>Ad&amp;vanced</source>
            <translation>Ad&amp;vanced</translation>
        </message>
        <message>
            <source>Show every setting</source>
            <translation>Show every setting</translation>
        </message>
        <message>
            <source>Reset</source>
            <translation>Reset</translation>
        </message>
        <message>
            <source>All settings back to their defaults; model, data and run folder stay</source>
            <translation>All settings back to their defaults; model, data and run folder stay</translation>
        </message>
        <message>
            <source>Recipe: load, save, command line</source>
            <translation>Recipe: load, save, command line</translation>
        </message>
        <message>
            <source>Recipe</source>
            <translation>Recipe</translation>
        </message>
        <message>
            <source>Load a recipe…</source>
            <translation>Load a recipe…</translation>
        </message>
        <message>
            <source>Save the recipe…</source>
            <translation>Save the recipe…</translation>
        </message>
        <message>
            <source>Show the command line</source>
            <translation>Show the command line</translation>
        </message>
        <message>
            <source>all at their defaults</source>
            <translation>all at their defaults</translation>
        </message>
        <message numerus="yes">
            <source>%n changed</source>
            <translation>
                <numerusform>%n changed</numerusform>
                <numerusform>%n changed</numerusform>
            </translation>
        </message>
        <message>
            <source>Load a recipe</source>
            <translation>Load a recipe</translation>
        </message>
        <message>
            <source>Recipes (*.yaml *.yml)</source>
            <translation>Recipes (*.yaml *.yml)</translation>
        </message>
        <message>
            <source>Save the recipe</source>
            <translation>Save the recipe</translation>
        </message>
        <message>
            <source>The recipe was written to %1.</source>
            <translation>The recipe was written to %1.</translation>
        </message>
        <message>
            <source>Undo</source>
            <translation>Undo</translation>
        </message>
        <message>
            <source>Redo</source>
            <translation>Redo</translation>
        </message>
    </context>
    <context>
        <name>luthier::RowModel</name>
        <message>
            <source>not usable</source>
            <translation>not usable</translation>
        </message>
        <message>
            <source>Row</source>
            <translation>Row</translation>
        </message>
        <message>
            <source>Picture</source>
            <translation>Picture</translation>
        </message>
        <message>
            <source>Words</source>
            <translation>Words</translation>
        </message>
        <message>
            <source>Tokens</source>
            <translation>Tokens</translation>
        </message>
        <message>
            <source>Findings</source>
            <translation>Findings</translation>
        </message>
        <message>
            <source>left out</source>
            <translation>left out</translation>
        </message>
        <message>
            <source>put right</source>
            <translation>put right</translation>
        </message>
    </context>
    <context>
        <name>luthier::RowView</name>
        <message>
            <source>The conversation</source>
            <translation>The conversation</translation>
        </message>
        <message>
            <source>The tokens</source>
            <translation>The tokens</translation>
        </message>
        <message numerus="yes">
            <source>picture: %n tokens</source>
            <translation>
                <numerusform>picture: %n token</numerusform>
                <numerusform>picture: %n tokens</numerusform>
            </translation>
        </message>
        <message numerus="yes">
            <source>%n tokens cut off by the context length</source>
            <translation>
                <numerusform>%n token cut off by the context length</numerusform>
                <numerusform>%n tokens cut off by the context length</numerusform>
            </translation>
        </message>
        <message>
            <source>Row %1 as the model gets it</source>
            <translation>Row %1 as the model gets it</translation>
        </message>
        <message>
            <source>learned (underlined)</source>
            <translation>learned (underlined)</translation>
        </message>
        <message>
            <source>masked</source>
            <translation>masked</translation>
        </message>
        <message>
            <source>picture</source>
            <translation>picture</translation>
        </message>
        <message>
            <source>cut off</source>
            <translation>cut off</translation>
        </message>
        <message>
            <source>✓ step %1, right</source>
            <translation>✓ step %1, right</translation>
        </message>
        <message>
            <source>✗ step %1, wrong</source>
            <translation>✗ step %1, wrong</translation>
        </message>
        <message>
            <source>&amp;Inspect…</source>
            <translation>&amp;Inspect…</translation>
        </message>
        <message>
            <source>Pixels with the grid of patches, positions, what was cut off, the loss of each token</source>
            <translation>Pixels with the grid of patches, positions, what was cut off, the loss of each token</translation>
        </message>
    </context>
    <context>
        <name>luthier::RunCurves</name>
        <message>
            <source>Loss</source>
            <translation>Loss</translation>
        </message>
        <message>
            <source>Memory</source>
            <translation>Memory</translation>
        </message>
        <message>
            <source>Learning rate</source>
            <translation>Learning rate</translation>
        </message>
        <message>
            <source>Figures</source>
            <translation>Figures</translation>
        </message>
        <message>
            <source>Which of the objective&apos;s figures are shown</source>
            <translation>Which of the objective&apos;s figures are shown</translation>
        </message>
        <message>
            <source>Gradient norm</source>
            <translation>Gradient norm</translation>
        </message>
        <message>
            <source>Tokens/s</source>
            <translation>Tokens/s</translation>
        </message>
        <message>
            <source>Steps</source>
            <translation>Steps</translation>
        </message>
        <message>
            <source>Epochs</source>
            <translation>Epochs</translation>
        </message>
        <message>
            <source>What the horizontal axis counts</source>
            <translation>What the horizontal axis counts</translation>
        </message>
        <message>
            <source>Log</source>
            <translation>Log</translation>
        </message>
        <message>
            <source>Logarithmic loss axis</source>
            <translation>Logarithmic loss axis</translation>
        </message>
        <message>
            <source>Clip</source>
            <translation>Clip</translation>
        </message>
        <message>
            <source>Cut the loss axis at the 99th percentile, so that a spike does not flatten the rest</source>
            <translation>Cut the loss axis at the 99th percentile, so that a spike does not flatten the rest</translation>
        </message>
        <message>
            <source>EMA</source>
            <translation>EMA</translation>
        </message>
        <message>
            <source>How much the smoothed curve is smoothed: 0 is the raw curve</source>
            <translation>How much the smoothed curve is smoothed: 0 is the raw curve</translation>
        </message>
        <message>
            <source>Smoothing</source>
            <translation>Smoothing</translation>
        </message>
        <message>
            <source>Export the curves</source>
            <translation>Export the curves</translation>
        </message>
        <message>
            <source>As a picture (PNG)…</source>
            <translation>As a picture (PNG)…</translation>
        </message>
        <message>
            <source>As a table (CSV)…</source>
            <translation>As a table (CSV)…</translation>
        </message>
        <message>
            <source>raw</source>
            <translation>raw</translation>
        </message>
        <message>
            <source>smoothed</source>
            <translation>smoothed</translation>
        </message>
        <message>
            <source>evaluation</source>
            <translation>evaluation</translation>
        </message>
        <message>
            <source>%1, evaluation</source>
            <translation>%1, evaluation</translation>
        </message>
        <message>
            <source>Memory (GiB)</source>
            <translation>Memory (GiB)</translation>
        </message>
        <message>
            <source>Memory (MiB)</source>
            <translation>Memory (MiB)</translation>
        </message>
        <message>
            <source>weights</source>
            <translation>weights</translation>
        </message>
        <message>
            <source>adapter</source>
            <translation>adapter</translation>
        </message>
        <message>
            <source>gradients</source>
            <translation>gradients</translation>
        </message>
        <message>
            <source>optimizer</source>
            <translation>optimizer</translation>
        </message>
        <message>
            <source>activations</source>
            <translation>activations</translation>
        </message>
        <message>
            <source>forecast</source>
            <translation>forecast</translation>
        </message>
        <message>
            <source>%1, peak</source>
            <translation>%1, peak</translation>
        </message>
        <message>
            <source>Step %1 · epoch %2</source>
            <translation>Step %1 · epoch %2</translation>
        </message>
        <message>
            <source>%1, raw</source>
            <translation>%1, raw</translation>
        </message>
        <message>
            <source>Tokens</source>
            <translation>Tokens</translation>
        </message>
        <message>
            <source>Time</source>
            <translation>Time</translation>
        </message>
        <message>
            <source>A run that has not logged its tokens or times is not drawn over that axis</source>
            <translation>A run that has not logged its tokens or times is not drawn over that axis</translation>
        </message>
        <message>
            <source>Step %1 · %2 tokens</source>
            <translation>Step %1 · %2 tokens</translation>
        </message>
        <message>
            <source>Step %1 · %2</source>
            <translation>Step %1 · %2</translation>
        </message>
    </context>
    <context>
        <name>luthier::RunHeader</name>
        <message>
            <source>No model is loaded</source>
            <translation>No model is loaded</translation>
        </message>
        <message>
            <source>step %1/%2</source>
            <translation>step %1/%2</translation>
        </message>
        <message>
            <source>%1 left</source>
            <translation>%1 left</translation>
        </message>
        <message>
            <source>Resume</source>
            <translation>Resume</translation>
        </message>
        <message>
            <source>Pause</source>
            <translation>Pause</translation>
        </message>
        <message>
            <source>Launch</source>
            <translation>Launch</translation>
        </message>
        <message>
            <source>Stop…</source>
            <translation>Stop…</translation>
        </message>
        <message>
            <source>Save a checkpoint now</source>
            <translation>Save a checkpoint now</translation>
        </message>
        <message>
            <source>Cancel loading</source>
            <translation>Cancel loading</translation>
        </message>
        <message>
            <source>holds a merge</source>
            <translation>holds a merge</translation>
        </message>
        <message>
            <source>Pausing keeps the model loaded, for asking it something</source>
            <translation>Pausing keeps the model loaded, for asking it something</translation>
        </message>
        <message>
            <source>Train with the settings of the Train page</source>
            <translation>Train with the settings of the Train page</translation>
        </message>
    </context>
    <context>
        <name>luthier::RunListModel</name>
        <message>
            <source>cannot be read</source>
            <translation>cannot be read</translation>
        </message>
        <message>
            <source>Run</source>
            <translation>Run</translation>
        </message>
        <message>
            <source>State</source>
            <translation>State</translation>
        </message>
        <message>
            <source>Base</source>
            <translation>Base</translation>
        </message>
        <message>
            <source>Method</source>
            <translation>Method</translation>
        </message>
        <message>
            <source>Data</source>
            <translation>Data</translation>
        </message>
        <message>
            <source>Steps</source>
            <translation>Steps</translation>
        </message>
        <message>
            <source>Last loss</source>
            <translation>Last loss</translation>
        </message>
        <message>
            <source>Best evaluation</source>
            <translation>Best evaluation</translation>
        </message>
        <message>
            <source>Peak memory</source>
            <translation>Peak memory</translation>
        </message>
        <message>
            <source>Started</source>
            <translation>Started</translation>
        </message>
        <message>
            <source>Data: %1</source>
            <translation>Data: %1</translation>
        </message>
        <message>
            <source>imported</source>
            <translation>imported</translation>
        </message>
        <message>
            <source>Forked from step %1 of %2, its optimizer carried on</source>
            <translation>Forked from step %1 of %2, its optimizer carried on</translation>
        </message>
        <message>
            <source>Forked from step %1 of %2, its weights alone</source>
            <translation>Forked from step %1 of %2, its weights alone</translation>
        </message>
        <message>
            <source>Tags</source>
            <translation>Tags</translation>
        </message>
    </context>
    <context>
        <name>luthier::RunsPage</name>
        <message>
            <source>The folder that holds runs</source>
            <translation>The folder that holds runs</translation>
        </message>
        <message>
            <source>Runs &amp;in</source>
            <translation>Runs &amp;in</translation>
        </message>
        <message>
            <source>Choose the folder</source>
            <translation>Choose the folder</translation>
        </message>
        <message>
            <source>Read again</source>
            <translation>Read again</translation>
        </message>
        <message>
            <source>&amp;Use its settings</source>
            <translation>&amp;Use its settings</translation>
        </message>
        <message>
            <source>Takes the selected run's settings to the Train page, with a new run folder</source>
            <translation>Takes the selected run's settings to the Train page, with a new run folder</translation>
        </message>
        <message>
            <source>R&amp;esume</source>
            <translation>R&amp;esume</translation>
        </message>
        <message>
            <source>Goes on from the selected run's newest checkpoint</source>
            <translation>Goes on from the selected run's newest checkpoint</translation>
        </message>
        <message>
            <source>Compare the ticked</source>
            <translation>Compare the ticked</translation>
        </message>
        <message>
            <source>Attaches the ticked runs' adapters on the Compare page</source>
            <translation>Attaches the ticked runs' adapters on the Compare page</translation>
        </message>
        <message>
            <source>Past runs</source>
            <translation>Past runs</translation>
        </message>
        <message>
            <source>Settings that differ</source>
            <translation>Settings that differ</translation>
        </message>
        <message>
            <source>Adapters are compared on a base: load its model first.</source>
            <translation>Adapters are compared on a base: load its model first.</translation>
        </message>
        <message>
            <source>Choose a model</source>
            <translation>Choose a model</translation>
        </message>
        <message>
            <source>No runs in this folder yet</source>
            <translation>No runs in this folder yet</translation>
        </message>
        <message>
            <source>Every run that trains is listed here with its curves, also after a restart. Launch one, or choose another folder above.</source>
            <translation>Every run that trains is listed here with its curves, also after a restart. Launch one, or choose another folder above.</translation>
        </message>
        <message>
            <source>Go to Train</source>
            <translation>Go to Train</translation>
        </message>
        <message>
            <source>Parts of the Runs page</source>
            <translation>Parts of the Runs page</translation>
        </message>
        <message>
            <source>Queue (%1)</source>
            <translation>Queue (%1)</translation>
        </message>
        <message>
            <source>Queue</source>
            <translation>Queue</translation>
        </message>
        <message>
            <source>Outcomes</source>
            <translation>Outcomes</translation>
        </message>
        <message>
            <source>Beside the curves</source>
            <translation>Beside the curves</translation>
        </message>
        <message>
            <source>Notes</source>
            <translation>Notes</translation>
        </message>
        <message>
            <source>Search names, tags, notes, data, methods</source>
            <translation>Search names, tags, notes, data, methods</translation>
        </message>
        <message>
            <source>Search the runs</source>
            <translation>Search the runs</translation>
        </message>
        <message>
            <source>Tree</source>
            <translation>Tree</translation>
        </message>
        <message>
            <source>Newest first, forks below the runs that they came from; a column's heading sorts by it</source>
            <translation>Newest first, forks below the runs that they came from; a column's heading sorts by it</translation>
        </message>
        <message>
            <source>Run</source>
            <translation>Run</translation>
        </message>
        <message>
            <source>What can be done with the selected run</source>
            <translation>What can be done with the selected run</translation>
        </message>
    </context>
    <context>
        <name>luthier::SampleCell</name>
        <message>
            <source>expected: %1</source>
            <translation>expected: %1</translation>
        </message>
        <message numerus="yes">
            <source>and %n more pictures</source>
            <translation>
                <numerusform>and %n more picture</numerusform>
                <numerusform>and %n more pictures</numerusform>
            </translation>
        </message>
        <message>
            <source>Score the expected answer: how likely every column holds each of its tokens</source>
            <translation>Score the expected answer: how likely every column holds each of its tokens</translation>
        </message>
        <message>
            <source>Score the expected answer by every column</source>
            <translation>Score the expected answer by every column</translation>
        </message>
    </context>
    <context>
        <name>luthier::StatusLine</name>
        <message numerus="yes">
            <source>%n runs wait</source>
            <translation>
                <numerusform>%n run waits</numerusform>
                <numerusform>%n runs wait</numerusform>
            </translation>
        </message>
        <message>
            <source>Cancel this work</source>
            <translation>Cancel this work</translation>
        </message>
        <message>
            <source>no device in use</source>
            <translation>no device in use</translation>
        </message>
        <message>
            <source>Memory %1 · peak %2</source>
            <translation>Memory %1 · peak %2</translation>
        </message>
        <message>
            <source>%1 tokens/s</source>
            <translation>%1 tokens/s</translation>
        </message>
        <message>
            <source>Last run: peak %1</source>
            <translation>Last run: peak %1</translation>
        </message>
        <message>
            <source>Memory %1</source>
            <translation>Memory %1</translation>
        </message>
        <message>
            <source>What this program holds of the machine&apos;s memory</source>
            <translation>What this program holds of the machine&apos;s memory</translation>
        </message>
    </context>
    <context>
        <name>luthier::StepLog</name>
        <message>
            <source>Log of the run</source>
            <translation>Log of the run</translation>
        </message>
        <message>
            <source>A line a step appears here once a run trains.</source>
            <translation>A line a step appears here once a run trains.</translation>
        </message>
    </context>
    <context>
        <name>luthier::StopQuestion</name>
        <message>
            <source>Stop the run</source>
            <translation>Stop the run</translation>
        </message>
        <message>
            <source>Stop this run?</source>
            <translation>Stop this run?</translation>
        </message>
        <message>
            <source>&amp;Continue training</source>
            <translation>&amp;Continue training</translation>
        </message>
        <message>
            <source>&amp;Stop and save</source>
            <translation>&amp;Stop and save</translation>
        </message>
        <message>
            <source>Throw this run away?</source>
            <translation>Throw this run away?</translation>
        </message>
        <message>
            <source>What it learned since its last checkpoint is lost, and no adapter is written. This cannot be undone; the log and earlier checkpoints stay. Training goes on until you choose.</source>
            <translation>What it learned since its last checkpoint is lost, and no adapter is written. This cannot be undone; the log and earlier checkpoints stay. Training goes on until you choose.</translation>
        </message>
        <message>
            <source>Stop and save writes the result and a checkpoint, so that the run can be resumed. Throwing it away saves nothing; the log stays. Training goes on until you choose.</source>
            <translation>Stop and save writes the result and a checkpoint, so that the run can be resumed. Throwing it away saves nothing; the log stays. Training goes on until you choose.</translation>
        </message>
        <message>
            <source>&amp;Throw the run away…</source>
            <translation>&amp;Throw the run away…</translation>
        </message>
        <message>
            <source>&amp;Throw it away</source>
            <translation>&amp;Throw it away</translation>
        </message>
        <message>
            <source>&amp;Keep the run</source>
            <translation>&amp;Keep the run</translation>
        </message>
        <message>
            <source>&amp;Leave it running</source>
            <translation>&amp;Leave it running</translation>
        </message>
        <message>
            <source>It goes on without this window, and the Start page finds it again</source>
            <translation>It goes on without this window, and the Start page finds it again</translation>
        </message>
    </context>
    <context>
        <name>luthier::TargetChips</name>
        <message>
            <source>Every linear layer but the output one, vision tower included</source>
            <translation>Every linear layer but the output one, vision tower included</translation>
        </message>
    </context>
    <context>
        <name>luthier::TrainPage</name>
        <message>
            <source>The run in %1 is %2, after %3.</source>
            <translation>The run in %1 is %2, after %3.</translation>
        </message>
        <message>
            <source>Compare it</source>
            <translation>Compare it</translation>
        </message>
        <message>
            <source>Log</source>
            <translation>Log</translation>
        </message>
        <message>
            <source>Events</source>
            <translation>Events</translation>
        </message>
        <message>
            <source>Samples</source>
            <translation>Samples</translation>
        </message>
        <message>
            <source>Launch into %1</source>
            <translation>Launch into %1</translation>
        </message>
        <message>
            <source>Resume that run</source>
            <translation>Resume that run</translation>
        </message>
        <message>
            <source>%1 holds a finished run.</source>
            <translation>%1 holds a finished run.</translation>
        </message>
        <message>
            <source>%1 holds a run that can go on from step %2. These settings were not used.</source>
            <translation>%1 holds a run that can go on from step %2. These settings were not used.</translation>
        </message>
        <message>
            <source>Filmstrip</source>
            <translation>Filmstrip</translation>
        </message>
        <message>
            <source>The run goes on there. The line is tried again, and nothing that happens meanwhile is missed.</source>
            <translation>The run goes on there. The line is tried again, and nothing that happens meanwhile is missed.</translation>
        </message>
        <message>
            <source>The run goes on without this window. The Start page finds it again.</source>
            <translation>The run goes on without this window. The Start page finds it again.</translation>
        </message>
    </context>
    <context>
        <name>luthier::AdapterMenu</name>
        <message>
            <source>Adapter</source>
            <translation>Adapter</translation>
        </message>
        <message>
            <source>From a finished run, or from the disk</source>
            <translation>From a finished run, or from the disk</translation>
        </message>
        <message>
            <source>%1, its newest checkpoint</source>
            <translation>%1, its newest checkpoint</translation>
        </message>
        <message>
            <source>Open a folder…</source>
            <translation>Open a folder…</translation>
        </message>
        <message>
            <source>Open an adapter or a run</source>
            <translation>Open an adapter or a run</translation>
        </message>
    </context>
    <context>
        <name>luthier::WeightList</name>
        <message>
            <source>Weight of %1</source>
            <translation>Weight of %1</translation>
        </message>
        <message>
            <source>1 is as trained, 0 leaves it out, below 0 takes it away</source>
            <translation>1 is as trained, 0 leaves it out, below 0 takes it away</translation>
        </message>
        <message>
            <source>Take it out of the merge</source>
            <translation>Take it out of the merge</translation>
        </message>
        <message>
            <source>%1: take it out of the merge</source>
            <translation>%1: take it out of the merge</translation>
        </message>
    </context>
    <context>
        <name>luthier::CombinationForm</name>
        <message>
            <source>Combination type</source>
            <translation>Combination type</translation>
        </message>
        <message>
            <source>Density</source>
            <translation>Density</translation>
        </message>
        <message>
            <source>The share of the numbers that stays; 1 leaves out nothing</source>
            <translation>The share of the numbers that stays; 1 leaves out nothing</translation>
        </message>
        <message>
            <source>Majority sign</source>
            <translation>Majority sign</translation>
        </message>
        <message>
            <source>total: by the sum</source>
            <translation>total: by the sum</translation>
        </message>
        <message>
            <source>frequency: by the number</source>
            <translation>frequency: by the number</translation>
        </message>
        <message>
            <source>Rank of the result</source>
            <translation>Rank of the result</translation>
        </message>
        <message>
            <source>the largest of them</source>
            <translation>the largest of them</translation>
        </message>
        <message>
            <source>Seed</source>
            <translation>Seed</translation>
        </message>
        <message>
            <source>Of what is left out at random</source>
            <translation>Of what is left out at random</translation>
        </message>
        <message>
            <source>The pairs side by side: exactly the weighted sum. The ranks add up.</source>
            <translation>The pairs side by side: exactly the weighted sum. The ranks add up.</translation>
        </message>
        <message>
            <source>A and B are summed apart: quick and of one rank, but not the sum of the changes.</source>
            <translation>A and B are summed apart: quick and of one rank, but not the sum of the changes.</translation>
        </message>
        <message>
            <source>The weighted sum of the changes, then the nearest pair of the chosen rank.</source>
            <translation>The weighted sum of the changes, then the nearest pair of the chosen rank.</translation>
        </message>
        <message>
            <source>Numbers left out at random and the rest grown; then a sign is elected, and those that have it are averaged.</source>
            <translation>Numbers left out at random and the rest grown; then a sign is elected, and those that have it are averaged.</translation>
        </message>
        <message>
            <source>The small numbers are left out; then a sign is elected, and those that have it are averaged.</source>
            <translation>The small numbers are left out; then a sign is elected, and those that have it are averaged.</translation>
        </message>
        <message>
            <source>Numbers are left out at random and the rest grown, then all are summed.</source>
            <translation>Numbers are left out at random and the rest grown, then all are summed.</translation>
        </message>
        <message>
            <source>The small numbers are left out, then all are summed.</source>
            <translation>The small numbers are left out, then all are summed.</translation>
        </message>
        <message>
            <source>On the whole changes, of which the nearest pair is taken.</source>
            <translation>On the whole changes, of which the nearest pair is taken.</translation>
        </message>
    </context>
    <context>
        <name>luthier::TriedMerges</name>
        <message>
            <source>Weights</source>
            <translation>Weights</translation>
        </message>
        <message>
            <source>Type</source>
            <translation>Type</translation>
        </message>
        <message>
            <source>Rank</source>
            <translation>Rank</translation>
        </message>
        <message>
            <source>Exact</source>
            <translation>Exact</translation>
        </message>
        <message>
            <source>Token F1</source>
            <translation>Token F1</translation>
        </message>
        <message>
            <source>chrF</source>
            <translation>chrF</translation>
        </message>
        <message>
            <source>Double click: these settings again</source>
            <translation>Double click: these settings again</translation>
        </message>
        <message>
            <source>What was tried</source>
            <translation>What was tried</translation>
        </message>
        <message>
            <source>Off by</source>
            <translation>Off by</translation>
        </message>
        <message>
            <source>Merged against unmerged: how far the logits are off, of the largest</source>
            <translation>Merged against unmerged: how far the logits are off, of the largest</translation>
        </message>
    </context>
    <context>
        <name>luthier::MergePage</name>
        <message>
            <source>Adapters and weights</source>
            <translation>Adapters and weights</translation>
        </message>
        <message>
            <source>Choose one adapter or several. Each gets a weight, and the answers on the right follow as soon as a slider is let go.</source>
            <translation>Choose one adapter or several. Each gets a weight, and the answers on the right follow as soon as a slider is let go.</translation>
        </message>
    </context>
    <context>
        <name>luthier::MergeActions</name>
        <message>
            <source>The merged model was written to %1.</source>
            <translation>The merged model was written to %1.</translation>
        </message>
        <message>
            <source>The combined adapter was written to %1.</source>
            <translation>The combined adapter was written to %1.</translation>
        </message>
        <message>
            <source>A new or empty folder</source>
            <translation>A new or empty folder</translation>
        </message>
        <message>
            <source>The merge</source>
            <translation>The merge</translation>
        </message>
        <message>
            <source>Fo&amp;lder</source>
            <translation>Fo&amp;lder</translation>
        </message>
        <message>
            <source>The folder to write</source>
            <translation>The folder to write</translation>
        </message>
        <message>
            <source>Choose the folder</source>
            <translation>Choose the folder</translation>
        </message>
        <message>
            <source>Save the adapter</source>
            <translation>Save the adapter</translation>
        </message>
        <message>
            <source>The combined adapter as a PEFT folder</source>
            <translation>The combined adapter as a PEFT folder</translation>
        </message>
        <message>
            <source>A model must be loaded first</source>
            <translation>A model must be loaded first</translation>
        </message>
        <message>
            <source>Choose an adapter first</source>
            <translation>Choose an adapter first</translation>
        </message>
        <message>
            <source>It is being written</source>
            <translation>It is being written</translation>
        </message>
        <message>
            <source>Not now: %1</source>
            <translation>Not now: %1</translation>
        </message>
        <message>
            <source>The proof follows the answers…</source>
            <translation>The proof follows the answers…</translation>
        </message>
        <message>
            <source>Merged = unmerged: the logits on probe inputs are off by %1 of the largest; %2 is allowed.</source>
            <translation>Merged = unmerged: the logits on probe inputs are off by %1 of the largest; %2 is allowed.</translation>
        </message>
        <message>
            <source>The loaded base holds this merge: off by %1 of the largest logit, %2 is allowed. %3 of its own weights are kept for undoing, which leaves its bytes as they were.</source>
            <translation>The loaded base holds this merge: off by %1 of the largest logit, %2 is allowed. %3 of its own weights are kept for undoing, which leaves its bytes as they were.</translation>
        </message>
        <message>
            <source>Undo the merge</source>
            <translation>Undo the merge</translation>
        </message>
        <message>
            <source>Merge into the loaded base</source>
            <translation>Merge into the loaded base</translation>
        </message>
        <message>
            <source>In memory: Compare and questions then see the merged model, until it is undone, another model is loaded or a run is launched</source>
            <translation>In memory: Compare and questions then see the merged model, until it is undone, another model is loaded or a run is launched</translation>
        </message>
        <message>
            <source>Writing was cancelled: nothing was written.</source>
            <translation>Writing was cancelled: nothing was written.</translation>
        </message>
        <message>
            <source>Cancel writing</source>
            <translation>Cancel writing</translation>
        </message>
        <message>
            <source>Write the merged model</source>
            <translation>Write the merged model</translation>
        </message>
        <message>
            <source>The base's checkpoint with the merge in it, as a folder by itself</source>
            <translation>The base's checkpoint with the merge in it, as a folder by itself</translation>
        </message>
        <message>
            <source>E&amp;xport…</source>
            <translation>E&amp;xport…</translation>
        </message>
        <message>
            <source>As GGUF for llama.cpp and Ollama, as a checkpoint or as a PEFT folder</source>
            <translation>As GGUF for llama.cpp and Ollama, as a checkpoint or as a PEFT folder</translation>
        </message>
    </context>
    <context>
        <name>luthier::MergeResults</name>
        <message>
            <source>Tried</source>
            <translation>Tried</translation>
        </message>
        <message>
            <source>Samples…</source>
            <translation>Samples…</translation>
        </message>
        <message>
            <source>They are chosen on the Compare page</source>
            <translation>They are chosen on the Compare page</translation>
        </message>
        <message>
            <source>First a model</source>
            <translation>First a model</translation>
        </message>
        <message>
            <source>Adapters are merged on the base that they were trained on.</source>
            <translation>Adapters are merged on the base that they were trained on.</translation>
        </message>
        <message>
            <source>Choose a model</source>
            <translation>Choose a model</translation>
        </message>
        <message>
            <source>No samples yet</source>
            <translation>No samples yet</translation>
        </message>
        <message>
            <source>Open a file of rows on the Compare page: a merge is judged by its answers to them.</source>
            <translation>Open a file of rows on the Compare page: a merge is judged by its answers to them.</translation>
        </message>
        <message>
            <source>To the Compare page</source>
            <translation>To the Compare page</translation>
        </message>
        <message>
            <source>%1 exact</source>
            <translation>%1 exact</translation>
        </message>
        <message>
            <source>token F1 %1</source>
            <translation>token F1 %1</translation>
        </message>
        <message>
            <source>chrF %1</source>
            <translation>chrF %1</translation>
        </message>
        <message>
            <source>valid JSON %1</source>
            <translation>valid JSON %1</translation>
        </message>
        <message>
            <source>answering: %1 of %2</source>
            <translation>answering: %1 of %2</translation>
        </message>
        <message numerus="yes">
            <source>of %n samples</source>
            <translation>
                <numerusform>of %n sample</numerusform>
                <numerusform>of %n samples</numerusform>
            </translation>
        </message>
        <message>
            <source>rank %1</source>
            <translation>rank %1</translation>
        </message>
    </context>
    <context>
        <name>luthier::HeatMap</name>
        <message>
            <source>norm %1 · effective rank %2 of %3</source>
            <translation>norm %1 · effective rank %2 of %3</translation>
        </message>
    </context>
    <context>
        <name>luthier::SeveralRanks</name>
        <message>
            <source>alpha ÷ rank stays</source>
            <translation>alpha ÷ rank stays</translation>
        </message>
        <message>
            <source>alpha stays</source>
            <translation>alpha stays</translation>
        </message>
        <message>
            <source>Train at several ranks</source>
            <translation>Train at several ranks</translation>
        </message>
        <message>
            <source>Ran&amp;ks</source>
            <translation>Ran&amp;ks</translation>
        </message>
        <message>
            <source>Ranks</source>
            <translation>Ranks</translation>
        </message>
        <message>
            <source>What becomes of alpha</source>
            <translation>What becomes of alpha</translation>
        </message>
        <message>
            <source>By the Train page's recipe, one after another, each into a run folder of its own: %1…</source>
            <translation>By the Train page's recipe, one after another, each into a run folder of its own: %1…</translation>
        </message>
        <message numerus="yes">
            <source>Queue %n runs</source>
            <translation>
                <numerusform>Queue %n run</numerusform>
                <numerusform>Queue %n runs</numerusform>
            </translation>
        </message>
        <message>
            <source>The Train page's recipe names no data yet</source>
            <translation>The Train page's recipe names no data yet</translation>
        </message>
        <message>
            <source>Double click a finished run to see its ranks</source>
            <translation>Double click a finished run to see its ranks</translation>
        </message>
        <message>
            <source>Go on</source>
            <translation>Go on</translation>
        </message>
        <message>
            <source>Drop them</source>
            <translation>Drop them</translation>
        </message>
        <message>
            <source>Compare them</source>
            <translation>Compare them</translation>
        </message>
        <message>
            <source>The finished ones as columns of the Compare page</source>
            <translation>The finished ones as columns of the Compare page</translation>
        </message>
        <message>
            <source>waits</source>
            <translation>waits</translation>
        </message>
        <message>
            <source>step %1 of %2</source>
            <translation>step %1 of %2</translation>
        </message>
        <message>
            <source>begins</source>
            <translation>begins</translation>
        </message>
        <message>
            <source>Ranks that are tried</source>
            <translation>Ranks that are tried</translation>
        </message>
        <message>
            <source>The queue is held: these wait.</source>
            <translation>The queue is held: these wait.</translation>
        </message>
    </context>
    <context>
        <name>luthier::RankPage</name>
        <message>
            <source>Adapters</source>
            <translation>Adapters</translation>
        </message>
        <message>
            <source>Modules</source>
            <translation>Modules</translation>
        </message>
        <message>
            <source>%1 adapters stand side by side at most: take one out first.</source>
            <translation>%1 adapters stand side by side at most: take one out first.</translation>
        </message>
        <message>
            <source>Save a checkpoint now</source>
            <translation>Save a checkpoint now</translation>
        </message>
        <message>
            <source>What of its rank does an adapter use?</source>
            <translation>What of its rank does an adapter use?</translation>
        </message>
        <message>
            <source>Choose an adapter: the singular values of each module's change show whether a smaller rank would do, or a larger one pay.</source>
            <translation>Choose an adapter: the singular values of each module's change show whether a smaller rank would do, or a larger one pay.</translation>
        </message>
        <message>
            <source>Choose an adapter…</source>
            <translation>Choose an adapter…</translation>
        </message>
        <message>
            <source>One step, &amp;slowly…</source>
            <translation>One step, &amp;slowly…</translation>
        </message>
        <message>
            <source>An update of A and B taken apart: gradients, the change of the weight, memory</source>
            <translation>An update of A and B taken apart: gradients, the change of the weight, memory</translation>
        </message>
    </context>
    <context>
        <name>luthier::RankPlots</name>
        <message>
            <source>Value %1</source>
            <translation>Value %1</translation>
        </message>
        <message>
            <source>log</source>
            <translation>log</translation>
        </message>
        <message>
            <source>The change, layers × modules</source>
            <translation>The change, layers × modules</translation>
        </message>
        <message>
            <source>norm of the change</source>
            <translation>norm of the change</translation>
        </message>
        <message>
            <source>effective rank</source>
            <translation>effective rank</translation>
        </message>
        <message>
            <source>What the colours show</source>
            <translation>What the colours show</translation>
        </message>
        <message>
            <source>Singular values</source>
            <translation>Singular values</translation>
        </message>
        <message>
            <source>Singular values of %1</source>
            <translation>Singular values of %1</translation>
        </message>
    </context>
    <context>
        <name>luthier::RankAdapters</name>
        <message>
            <source>Adapter</source>
            <translation>Adapter</translation>
        </message>
        <message>
            <source>Rank</source>
            <translation>Rank</translation>
        </message>
        <message>
            <source>Effective</source>
            <translation>Effective</translation>
        </message>
        <message>
            <source>Used</source>
            <translation>Used</translation>
        </message>
        <message>
            <source>Norm</source>
            <translation>Norm</translation>
        </message>
        <message>
            <source>The mean over the modules of exp(entropy of the singular values' shares)</source>
            <translation>The mean over the modules of exp(entropy of the singular values' shares)</translation>
        </message>
        <message>
            <source>Effective rank of the rank</source>
            <translation>Effective rank of the rank</translation>
        </message>
        <message>
            <source>%1 (trains)</source>
            <translation>%1 (trains)</translation>
        </message>
        <message>
            <source>Take it out of the list</source>
            <translation>Take it out of the list</translation>
        </message>
        <message>
            <source>%1: take it out of the list</source>
            <translation>%1: take it out of the list</translation>
        </message>
    </context>
    <context>
        <name>Messages</name>
        <message>
            <source>“Combination type”</source>
            <translation>“Combination type”</translation>
        </message>
        <message>
            <source>“Density”</source>
            <translation>“Density”</translation>
        </message>
        <message>
            <source>“Rank of the result”</source>
            <translation>“Rank of the result”</translation>
        </message>
        <message>
            <source>“%1”</source>
            <translation>“%1”</translation>
        </message>
        <message>
            <source>the check on the Data page</source>
            <translation>the check on the Data page</translation>
        </message>
        <message>
            <source>the Model page</source>
            <translation>the Model page</translation>
        </message>
        <message>
            <source>the memory forecast</source>
            <translation>the memory forecast</translation>
        </message>
        <message>
            <source>“Resume”</source>
            <translation>“Resume”</translation>
        </message>
        <message>
            <source>must not be empty.</source>
            <translation>must not be empty.</translation>
        </message>
        <message>
            <source>empty</source>
            <translation>empty</translation>
        </message>
    </context>
    <context>
        <name>progress</name>
        <message>
            <source>Checking rows</source>
            <translation>Checking rows</translation>
        </message>
        <message>
            <source>Evaluating</source>
            <translation>Evaluating</translation>
        </message>
        <message>
            <source>Looking at pictures again</source>
            <translation>Looking at pictures again</translation>
        </message>
        <message>
            <source>Looking at what rows name</source>
            <translation>Looking at what rows name</translation>
        </message>
        <message>
            <source>Asking the reference</source>
            <translation>Asking the reference</translation>
        </message>
        <message>
            <source>Looking at what layers read</source>
            <translation>Looking at what layers read</translation>
        </message>
        <message>
            <source>Measuring rows</source>
            <translation>Measuring rows</translation>
        </message>
        <message>
            <source>Answering</source>
            <translation>Answering</translation>
        </message>
        <message>
            <source>Loading a column's model</source>
            <translation>Loading a column's model</translation>
        </message>
        <message>
            <source>Reading the weights</source>
            <translation>Reading the weights</translation>
        </message>
        <message>
            <source>Answering held-out rows</source>
            <translation>Answering held-out rows</translation>
        </message>
        <message>
            <source>Merging the last stage</source>
            <translation>Merging the last stage</translation>
        </message>
        <message>
            <source>Loading the reward model</source>
            <translation>Loading the reward model</translation>
        </message>
        <message>
            <source>Scoring answers</source>
            <translation>Scoring answers</translation>
        </message>
        <message>
            <source>Evaluating every task</source>
            <translation>Evaluating every task</translation>
        </message>
        <message>
            <source>Answering the probe</source>
            <translation>Answering the probe</translation>
        </message>
        <message>
            <source>Answering samples</source>
            <translation>Answering samples</translation>
        </message>
        <message>
            <source>Looking at the result</source>
            <translation>Looking at the result</translation>
        </message>
        <message>
            <source>Combining the adapters</source>
            <translation>Combining the adapters</translation>
        </message>
        <message>
            <source>Merging the adapter</source>
            <translation>Merging the adapter</translation>
        </message>
        <message>
            <source>Copying files</source>
            <translation>Copying files</translation>
        </message>
        <message>
            <source>Writing GGUF</source>
            <translation>Writing GGUF</translation>
        </message>
    </context>
    <context>
        <name>recipe</name>
        <message>
            <source>Model and data</source>
            <translation>Model and data</translation>
        </message>
        <message>
            <source>Method</source>
            <translation>Method</translation>
        </message>
        <message>
            <source>Pictures</source>
            <translation>Pictures</translation>
        </message>
        <message>
            <source>Training</source>
            <translation>Training</translation>
        </message>
        <message>
            <source>Model</source>
            <translation>Model</translation>
        </message>
        <message>
            <source>The folder of the base checkpoint, as transformers writes it.</source>
            <translation>The folder of the base checkpoint, as transformers writes it.</translation>
        </message>
        <message>
            <source>Starting weights</source>
            <translation>Starting weights</translation>
        </message>
        <message>
            <source>Start from the checkpoint's weights, or from random ones made by its config.json (training from scratch).</source>
            <translation>Start from the checkpoint's weights, or from random ones made by its config.json (training from scratch).</translation>
        </message>
        <message>
            <source>Training data</source>
            <translation>Training data</translation>
        </message>
        <message>
            <source>Evaluation data</source>
            <translation>Evaluation data</translation>
        </message>
        <message>
            <source>Rows that are never trained on; their loss is the evaluation loss.</source>
            <translation>Rows that are never trained on; their loss is the evaluation loss.</translation>
        </message>
        <message>
            <source>Picture folder</source>
            <translation>Picture folder</translation>
        </message>
        <message>
            <source>Where relative picture paths of the rows start; empty: beside each dataset's file.</source>
            <translation>Where relative picture paths of the rows start; empty: beside each dataset's file.</translation>
        </message>
        <message>
            <source>Run folder</source>
            <translation>Run folder</translation>
        </message>
        <message>
            <source>Where the run is written: settings, metrics, checkpoints and the result.</source>
            <translation>Where the run is written: settings, metrics, checkpoints and the result.</translation>
        </message>
        <message>
            <source>Objective</source>
            <translation>Objective</translation>
        </message>
        <message>
            <source>What is learned from the rows.</source>
            <translation>What is learned from the rows.</translation>
        </message>
        <message>
            <source>Which weights train, and what is added beside them.</source>
            <translation>Which weights train, and what is added beside them.</translation>
        </message>
        <message>
            <source>Keep the vision tower fixed</source>
            <translation>Keep the vision tower fixed</translation>
        </message>
        <message>
            <source>The picture encoder's weights do not change.</source>
            <translation>The picture encoder's weights do not change.</translation>
        </message>
        <message>
            <source>Keep the projector fixed</source>
            <translation>Keep the projector fixed</translation>
        </message>
        <message>
            <source>The weights that carry picture features into the language model do not change.</source>
            <translation>The weights that carry picture features into the language model do not change.</translation>
        </message>
        <message>
            <source>Keep the language model fixed</source>
            <translation>Keep the language model fixed</translation>
        </message>
        <message>
            <source>The decoder's weights do not change; with the tower fixed too, only the projector learns.</source>
            <translation>The decoder's weights do not change; with the tower fixed too, only the projector learns.</translation>
        </message>
        <message>
            <source>Rank</source>
            <translation>Rank</translation>
        </message>
        <message>
            <source>Columns of A and B: more can learn more and costs more memory; 8 to 64 is usual.</source>
            <translation>Columns of A and B: more can learn more and costs more memory; 8 to 64 is usual.</translation>
        </message>
        <message>
            <source>LoRA alpha</source>
            <translation>LoRA alpha</translation>
        </message>
        <message>
            <source>The adapter's output is scaled by alpha / rank; twice the rank is usual.</source>
            <translation>The adapter's output is scaled by alpha / rank; twice the rank is usual.</translation>
        </message>
        <message>
            <source>LoRA dropout</source>
            <translation>LoRA dropout</translation>
        </message>
        <message>
            <source>Share of the adapter's inputs that are dropped while training.</source>
            <translation>Share of the adapter's inputs that are dropped while training.</translation>
        </message>
        <message>
            <source>Target modules</source>
            <translation>Target modules</translation>
        </message>
        <message>
            <source>Which linear layers get an adapter: names (endings are enough), one regular expression over whole names, or all-linear.</source>
            <translation>Which linear layers get an adapter: names (endings are enough), one regular expression over whole names, or all-linear.</translation>
        </message>
        <message>
            <source>Excluded modules</source>
            <translation>Excluded modules</translation>
        </message>
        <message>
            <source>Which of the target modules are left out, by names or one regular expression.</source>
            <translation>Which of the target modules are left out, by names or one regular expression.</translation>
        </message>
        <message>
            <source>Rank by module</source>
            <translation>Rank by module</translation>
        </message>
        <message>
            <source>Other ranks for modules whose name ends so or matches: {q_proj: 32}.</source>
            <translation>Other ranks for modules whose name ends so or matches: {q_proj: 32}.</translation>
        </message>
        <message>
            <source>Alpha by module</source>
            <translation>Alpha by module</translation>
        </message>
        <message>
            <source>Other alphas for modules whose name ends so or matches: {q_proj: 64}.</source>
            <translation>Other alphas for modules whose name ends so or matches: {q_proj: 64}.</translation>
        </message>
        <message>
            <source>Rank-stabilized scale</source>
            <translation>Rank-stabilized scale</translation>
        </message>
        <message>
            <source>Scale by alpha / √rank instead of alpha / rank, which suits high ranks.</source>
            <translation>Scale by alpha / √rank instead of alpha / rank, which suits high ranks.</translation>
        </message>
        <message>
            <source>DoRA</source>
            <translation>DoRA</translation>
        </message>
        <message>
            <source>Train a magnitude beside the direction of each weight.</source>
            <translation>Train a magnitude beside the direction of each weight.</translation>
        </message>
        <message>
            <source>Initial adapter</source>
            <translation>Initial adapter</translation>
        </message>
        <message>
            <source>true: A uniform by Kaiming's rule and B zero; gaussian: A normal and B zero; false: both random; orthogonal: rows that cancel out; pissa and olora: the largest part of each weight, by its singular values or by QR (pissa_niter_4: nearly, and faster). loftq: what packing a weight leaves out of it; eva: in what the layers read of the first rows; mica: B is the smallest part of each weight and stays, A trains.</source>
            <translation>true: A uniform by Kaiming's rule and B zero; gaussian: A normal and B zero; false: both random; orthogonal: rows that cancel out; pissa and olora: the largest part of each weight, by its singular values or by QR (pissa_niter_4: nearly, and faster). loftq: what packing a weight leaves out of it; eva: in what the layers read of the first rows; mica: B is the smallest part of each weight and stays, A trains.</translation>
        </message>
        <message>
            <source>Modules trained whole</source>
            <translation>Modules trained whole</translation>
        </message>
        <message>
            <source>Modules that train without low rank and are saved with the adapter (lm_head, say).</source>
            <translation>Modules that train without low rank and are saved with the adapter (lm_head, say).</translation>
        </message>
        <message>
            <source>Biases</source>
            <translation>Biases</translation>
        </message>
        <message>
            <source>Which of the base's biases train beside the adapter: none, all, or those of the modules that have one (METHOD_only, as in lora_only).</source>
            <translation>Which of the base's biases train beside the adapter: none, all, or those of the modules that have one (METHOD_only, as in lora_only).</translation>
        </message>
        <message>
            <source>Start from adapter</source>
            <translation>Start from adapter</translation>
        </message>
        <message>
            <source>A PEFT adapter's folder to go on from; its settings replace the ones here.</source>
            <translation>A PEFT adapter's folder to go on from; its settings replace the ones here.</translation>
        </message>
        <message>
            <source>Smallest picture</source>
            <translation>Smallest picture</translation>
        </message>
        <message>
            <source>Pixels a picture has at least after resizing; empty: as the checkpoint's processor says.</source>
            <translation>Pixels a picture has at least after resizing; empty: as the checkpoint's processor says.</translation>
        </message>
        <message>
            <source>Largest picture</source>
            <translation>Largest picture</translation>
        </message>
        <message>
            <source>Pixels a picture has at most after resizing; empty: as the checkpoint's processor says.</source>
            <translation>Pixels a picture has at most after resizing; empty: as the checkpoint's processor says.</translation>
        </message>
        <message>
            <source>Broken pictures</source>
            <translation>Broken pictures</translation>
        </message>
        <message>
            <source>refuse stops before training and names the row; skip leaves such rows out and counts them.</source>
            <translation>refuse stops before training and names the row; skip leaves such rows out and counts them.</translation>
        </message>
        <message>
            <source>Films</source>
            <translation>Films</translation>
        </message>
        <message>
            <source>frames</source>
            <translation>frames</translation>
        </message>
        <message>
            <source>Frames of a film</source>
            <translation>Frames of a film</translation>
        </message>
        <message>
            <source>So many frames of each film are shown, evenly; empty: as the checkpoint's processor says.</source>
            <translation>So many frames of each film are shown, evenly; empty: as the checkpoint's processor says.</translation>
        </message>
        <message>
            <source>Frames of a second</source>
            <translation>Frames of a second</translation>
        </message>
        <message>
            <source>So many frames of each second of a film are shown; empty: as the checkpoint's processor says.</source>
            <translation>So many frames of each second of a film are shown; empty: as the checkpoint's processor says.</translation>
        </message>
        <message>
            <source>Fewest frames</source>
            <translation>Fewest frames</translation>
        </message>
        <message>
            <source>Frames of a film are at least so many under frames of a second; empty: as the checkpoint's processor says.</source>
            <translation>Frames of a film are at least so many under frames of a second; empty: as the checkpoint's processor says.</translation>
        </message>
        <message>
            <source>Most frames</source>
            <translation>Most frames</translation>
        </message>
        <message>
            <source>Frames of a film are at most so many under frames of a second; empty: as the checkpoint's processor says.</source>
            <translation>Frames of a film are at most so many under frames of a second; empty: as the checkpoint's processor says.</translation>
        </message>
        <message>
            <source>Smallest frame</source>
            <translation>Smallest frame</translation>
        </message>
        <message>
            <source>Pixels that the checkpoint's processor counts of a film are at least so many: a frame's, or all frames' (Qwen3-VL); empty: as it says itself.</source>
            <translation>Pixels that the checkpoint's processor counts of a film are at least so many: a frame's, or all frames' (Qwen3-VL); empty: as it says itself.</translation>
        </message>
        <message>
            <source>Largest frame</source>
            <translation>Largest frame</translation>
        </message>
        <message>
            <source>Pixels that the checkpoint's processor counts of a film are at most so many: a frame's, or all frames' (Qwen3-VL); empty: as it says itself.</source>
            <translation>Pixels that the checkpoint's processor counts of a film are at most so many: a frame's, or all frames' (Qwen3-VL); empty: as it says itself.</translation>
        </message>
        <message>
            <source>Device</source>
            <translation>Device</translation>
        </message>
        <message>
            <source>auto takes the CUDA device with most free memory, else the CPU; cuda:1 names the second one.</source>
            <translation>auto takes the CUDA device with most free memory, else the CPU; cuda:1 names the second one.</translation>
        </message>
        <message>
            <source>Compute type</source>
            <translation>Compute type</translation>
        </message>
        <message>
            <source>auto computes in bfloat16 on a CUDA device that has it, else in float32; a resumed run keeps its own.</source>
            <translation>auto computes in bfloat16 on a CUDA device that has it, else in float32; a resumed run keeps its own.</translation>
        </message>
        <message>
            <source>Epochs</source>
            <translation>Epochs</translation>
        </message>
        <message>
            <source>How often every row is seen; max steps replaces it when it is above 0.</source>
            <translation>How often every row is seen; max steps replaces it when it is above 0.</translation>
        </message>
        <message>
            <source>Max steps</source>
            <translation>Max steps</translation>
        </message>
        <message>
            <source>Optimizer steps in all; -1: as the epochs give.</source>
            <translation>Optimizer steps in all; -1: as the epochs give.</translation>
        </message>
        <message>
            <source>Batch size</source>
            <translation>Batch size</translation>
        </message>
        <message>
            <source>Rows that go through the model at once.</source>
            <translation>Rows that go through the model at once.</translation>
        </message>
        <message>
            <source>Gradient accumulation</source>
            <translation>Gradient accumulation</translation>
        </message>
        <message>
            <source>Batches whose gradients are summed before one step.</source>
            <translation>Batches whose gradients are summed before one step.</translation>
        </message>
        <message>
            <source>Learning rate</source>
            <translation>Learning rate</translation>
        </message>
        <message>
            <source>The peak rate; each method and objective has a default of its own.</source>
            <translation>The peak rate; each method and objective has a default of its own.</translation>
        </message>
        <message>
            <source>LR scheduler</source>
            <translation>LR scheduler</translation>
        </message>
        <message>
            <source>How the rate goes on after the warmup.</source>
            <translation>How the rate goes on after the warmup.</translation>
        </message>
        <message>
            <source>Warmup ratio</source>
            <translation>Warmup ratio</translation>
        </message>
        <message>
            <source>Share of all steps in which the rate rises from 0 to its peak.</source>
            <translation>Share of all steps in which the rate rises from 0 to its peak.</translation>
        </message>
        <message>
            <source>Warmup steps</source>
            <translation>Warmup steps</translation>
        </message>
        <message>
            <source>Steps of warmup; above 0 it replaces the ratio.</source>
            <translation>Steps of warmup; above 0 it replaces the ratio.</translation>
        </message>
        <message>
            <source>Weight decay</source>
            <translation>Weight decay</translation>
        </message>
        <message>
            <source>Pull towards zero on trained weights, biases and norms left out.</source>
            <translation>Pull towards zero on trained weights, biases and norms left out.</translation>
        </message>
        <message>
            <source>Max grad norm</source>
            <translation>Max grad norm</translation>
        </message>
        <message>
            <source>Gradients longer than this are scaled down to it; 0 never clips.</source>
            <translation>Gradients longer than this are scaled down to it; 0 never clips.</translation>
        </message>
        <message>
            <source>Optimizer</source>
            <translation>Optimizer</translation>
        </message>
        <message>
            <source>How gradients become a step.</source>
            <translation>How gradients become a step.</translation>
        </message>
        <message>
            <source>Adam beta 1</source>
            <translation>Adam beta 1</translation>
        </message>
        <message>
            <source>Decay of the running mean of gradients.</source>
            <translation>Decay of the running mean of gradients.</translation>
        </message>
        <message>
            <source>Adam beta 2</source>
            <translation>Adam beta 2</translation>
        </message>
        <message>
            <source>Decay of the running mean of squared gradients.</source>
            <translation>Decay of the running mean of squared gradients.</translation>
        </message>
        <message>
            <source>Adam epsilon</source>
            <translation>Adam epsilon</translation>
        </message>
        <message>
            <source>Added to the denominator for stability.</source>
            <translation>Added to the denominator for stability.</translation>
        </message>
        <message>
            <source>Gradient checkpointing</source>
            <translation>Gradient checkpointing</translation>
        </message>
        <message>
            <source>Recompute activations in the backward pass: less memory, more time. auto turns it on where memory would not do.</source>
            <translation>Recompute activations in the backward pass: less memory, more time. auto turns it on where memory would not do.</translation>
        </message>
        <message>
            <source>Context length</source>
            <translation>Context length</translation>
        </message>
        <message>
            <source>Tokens a row holds at most, picture tokens counted; longer rows are cut at the end. Empty: no row is cut.</source>
            <translation>Tokens a row holds at most, picture tokens counted; longer rows are cut at the end. Empty: no row is cut.</translation>
        </message>
        <message>
            <source>Shuffle</source>
            <translation>Shuffle</translation>
        </message>
        <message>
            <source>Visit the rows in another order each epoch, always the same for a seed.</source>
            <translation>Visit the rows in another order each epoch, always the same for a seed.</translation>
        </message>
        <message>
            <source>Seed</source>
            <translation>Seed</translation>
        </message>
        <message>
            <source>The same seed, data and settings give the same run.</source>
            <translation>The same seed, data and settings give the same run.</translation>
        </message>
        <message>
            <source>Train on</source>
            <translation>Train on</translation>
        </message>
        <message>
            <source>completion: every token after the last prompt; assistant: every assistant turn; all: every text token.</source>
            <translation>completion: every token after the last prompt; assistant: every assistant turn; all: every text token.</translation>
        </message>
        <message>
            <source>Log every</source>
            <translation>Log every</translation>
        </message>
        <message>
            <source>Steps between two lines of metrics.</source>
            <translation>Steps between two lines of metrics.</translation>
        </message>
        <message>
            <source>Evaluate every</source>
            <translation>Evaluate every</translation>
        </message>
        <message>
            <source>Steps between two evaluations; 0: where evaluation data is given, at every checkpoint of Save every and at the end, else never.</source>
            <translation>Steps between two evaluations; 0: where evaluation data is given, at every checkpoint of Save every and at the end, else never.</translation>
        </message>
        <message>
            <source>Save every</source>
            <translation>Save every</translation>
        </message>
        <message>
            <source>Steps between two checkpoints; 0 saves at the end only.</source>
            <translation>Steps between two checkpoints; 0 saves at the end only.</translation>
        </message>
        <message>
            <source>Save every (minutes)</source>
            <translation>Save every (minutes)</translation>
        </message>
        <message>
            <source>Minutes between two checkpoints at most, whatever the steps; 0: by steps alone.</source>
            <translation>Minutes between two checkpoints at most, whatever the steps; 0: by steps alone.</translation>
        </message>
        <message>
            <source>minutes</source>
            <translation>minutes</translation>
        </message>
        <message>
            <source>Keep checkpoints</source>
            <translation>Keep checkpoints</translation>
        </message>
        <message>
            <source>Older checkpoints beyond this number are removed; 0 keeps all.</source>
            <translation>Older checkpoints beyond this number are removed; 0 keeps all.</translation>
        </message>
        <message>
            <source>Memory that will not do</source>
            <translation>Memory that will not do</translation>
        </message>
        <message>
            <source>refuse does not start a run whose forecast is more than 95 % of the free memory; try starts it all the same.</source>
            <translation>refuse does not start a run whose forecast is more than 95 % of the free memory; try starts it all the same.</translation>
        </message>
        <message>
            <source>tokens</source>
            <translation>tokens</translation>
        </message>
        <message>
            <source>batches</source>
            <translation>batches</translation>
        </message>
        <message>
            <source>checkpoints</source>
            <translation>checkpoints</translation>
        </message>
        <message>
            <source>pixels</source>
            <translation>pixels</translation>
        </message>
        <message>
            <source>steps</source>
            <translation>steps</translation>
        </message>
        <message>
            <source>rows</source>
            <translation>rows</translation>
        </message>
        <message>
            <source>epochs</source>
            <translation>epochs</translation>
        </message>
        <message>
            <source>pretrained</source>
            <translation>pretrained</translation>
        </message>
        <message>
            <source>random</source>
            <translation>random</translation>
        </message>
        <message>
            <source>sft</source>
            <translation>sft</translation>
        </message>
        <message>
            <source>full</source>
            <translation>full</translation>
        </message>
        <message>
            <source>freeze</source>
            <translation>freeze</translation>
        </message>
        <message>
            <source>lora</source>
            <translation>lora</translation>
        </message>
        <message>
            <source>true</source>
            <translation>true</translation>
        </message>
        <message>
            <source>false</source>
            <translation>false</translation>
        </message>
        <message>
            <source>gaussian</source>
            <translation>gaussian</translation>
        </message>
        <message>
            <source>none</source>
            <translation>none</translation>
        </message>
        <message>
            <source>all</source>
            <translation>all</translation>
        </message>
        <message>
            <source>lora_only</source>
            <translation>lora_only</translation>
        </message>
        <message>
            <source>vera_only</source>
            <translation>vera_only</translation>
        </message>
        <message>
            <source>oft_only</source>
            <translation>oft_only</translation>
        </message>
        <message>
            <source>boft_only</source>
            <translation>boft_only</translation>
        </message>
        <message>
            <source>hra_only</source>
            <translation>hra_only</translation>
        </message>
        <message>
            <source>fourier_only</source>
            <translation>fourier_only</translation>
        </message>
        <message>
            <source>refuse</source>
            <translation>refuse</translation>
        </message>
        <message>
            <source>skip</source>
            <translation>skip</translation>
        </message>
        <message>
            <source>auto</source>
            <translation>auto</translation>
        </message>
        <message>
            <source>cpu</source>
            <translation>cpu</translation>
        </message>
        <message>
            <source>cuda</source>
            <translation>cuda</translation>
        </message>
        <message>
            <source>float32</source>
            <translation>float32</translation>
        </message>
        <message>
            <source>bfloat16</source>
            <translation>bfloat16</translation>
        </message>
        <message>
            <source>constant</source>
            <translation>constant</translation>
        </message>
        <message>
            <source>constant_with_warmup</source>
            <translation>constant_with_warmup</translation>
        </message>
        <message>
            <source>linear</source>
            <translation>linear</translation>
        </message>
        <message>
            <source>cosine</source>
            <translation>cosine</translation>
        </message>
        <message>
            <source>cosine_with_restarts</source>
            <translation>cosine_with_restarts</translation>
        </message>
        <message>
            <source>polynomial</source>
            <translation>polynomial</translation>
        </message>
        <message>
            <source>inverse_sqrt</source>
            <translation>inverse_sqrt</translation>
        </message>
        <message>
            <source>adamw_torch</source>
            <translation>adamw_torch</translation>
        </message>
        <message>
            <source>completion</source>
            <translation>completion</translation>
        </message>
        <message>
            <source>assistant</source>
            <translation>assistant</translation>
        </message>
        <message>
            <source>Columns</source>
            <translation>Columns</translation>
        </message>
        <message>
            <source>Which column of the data is what, where it is called otherwise: image=photo, prompt=question. Empty: rows are read as they are.</source>
            <translation>Which column of the data is what, where it is called otherwise: image=photo, prompt=question. Empty: rows are read as they are.</translation>
        </message>
        <message>
            <source>Question of all rows</source>
            <translation>Question of all rows</translation>
        </message>
        <message>
            <source>What is asked where the data has no question, or how it is put together, {column} being a column&apos;s text. Empty: as the rows say.</source>
            <translation>What is asked where the data has no question, or how it is put together, {column} being a column&apos;s text. Empty: as the rows say.</translation>
        </message>
        <message>
            <source>Answer of all rows</source>
            <translation>Answer of all rows</translation>
        </message>
        <message>
            <source>How the answer is put together, {column} being a column&apos;s text. Empty: as the rows say.</source>
            <translation>How the answer is put together, {column} being a column&apos;s text. Empty: as the rows say.</translation>
        </message>
        <message>
            <source>One file of rows, or several: JSON lines, JSON, CSV, Parquet, Arrow, tar, or a folder.</source>
            <translation>One file of rows, or several: JSON lines, JSON, CSV, Parquet, Arrow, tar, or a folder.</translation>
        </message>
    </context>
    <context>
        <name>role</name>
        <message>
            <source>system</source>
            <translation>system</translation>
        </message>
        <message>
            <source>user</source>
            <translation>user</translation>
        </message>
        <message>
            <source>assistant</source>
            <translation>assistant</translation>
        </message>
        <message>
            <source>tool</source>
            <translation>tool</translation>
        </message>
        <message>
            <source>text</source>
            <translation>text</translation>
        </message>
        <message>
            <source>chosen</source>
            <translation>chosen</translation>
        </message>
        <message>
            <source>rejected</source>
            <translation>rejected</translation>
        </message>
        <message>
            <source>a good answer</source>
            <translation>a good answer</translation>
        </message>
        <message>
            <source>a bad answer</source>
            <translation>a bad answer</translation>
        </message>
    </context>
    <context>
        <name>state</name>
        <message>
            <source>empty</source>
            <translation>No model</translation>
        </message>
        <message>
            <source>loading</source>
            <translation>Loading</translation>
        </message>
        <message>
            <source>ready</source>
            <translation>Ready</translation>
        </message>
        <message>
            <source>preparing</source>
            <translation>Preparing</translation>
        </message>
        <message>
            <source>training</source>
            <translation>Training</translation>
        </message>
        <message>
            <source>pausing</source>
            <translation>Pausing</translation>
        </message>
        <message>
            <source>paused</source>
            <translation>Paused</translation>
        </message>
        <message>
            <source>saving</source>
            <translation>Saving</translation>
        </message>
        <message>
            <source>stopping</source>
            <translation>Stopping</translation>
        </message>
        <message>
            <source>created</source>
            <translation>created</translation>
        </message>
        <message>
            <source>running</source>
            <translation>running</translation>
        </message>
        <message>
            <source>finished</source>
            <translation>finished</translation>
        </message>
        <message>
            <source>stopped</source>
            <translation>stopped</translation>
        </message>
        <message>
            <source>failed</source>
            <translation>failed</translation>
        </message>
        <message>
            <source>interrupted</source>
            <translation>interrupted</translation>
        </message>
    </context>
    <context>
        <name>luthier::MethodModel</name>
        <message>
            <source>%1, 4 bits</source>
            <translation>%1, 4 bits</translation>
        </message>
        <message>
            <source>%1 of %2 parameters train</source>
            <translation>%1 of %2 parameters train</translation>
        </message>
        <message>
            <source>Method</source>
            <translation>Method</translation>
        </message>
        <message>
            <source>Trained</source>
            <translation>Trained</translation>
        </message>
        <message>
            <source>Share</source>
            <translation>Share</translation>
        </message>
        <message>
            <source>Memory</source>
            <translation>Memory</translation>
        </message>
        <message>
            <source>Weights</source>
            <translation>Weights</translation>
        </message>
        <message>
            <source>Adapter</source>
            <translation>Adapter</translation>
        </message>
        <message>
            <source>Gradients</source>
            <translation>Gradients</translation>
        </message>
        <message>
            <source>Moments</source>
            <translation>Moments</translation>
        </message>
        <message>
            <source>Masters</source>
            <translation>Masters</translation>
        </message>
        <message>
            <source>Sum</source>
            <translation>Sum</translation>
        </message>
        <message>
            <source>File</source>
            <translation>File</translation>
        </message>
        <message>
            <source>What the recipe calls it; tick those that short runs are to compare</source>
            <translation>What the recipe calls it; tick those that short runs are to compare</translation>
        </message>
        <message>
            <source>Parameters that train</source>
            <translation>Parameters that train</translation>
        </message>
        <message>
            <source>Of the model's parameters</source>
            <translation>Of the model's parameters</translation>
        </message>
        <message>
            <source>What stands in memory whatever the rows are, part by part, on one scale</source>
            <translation>What stands in memory whatever the rows are, part by part, on one scale</translation>
        </message>
        <message>
            <source>The base's weights, packed where the settings say so</source>
            <translation>The base's weights, packed where the settings say so</translation>
        </message>
        <message>
            <source>What the method adds to the base</source>
            <translation>What the method adds to the base</translation>
        </message>
        <message>
            <source>Gradients of one micro-batch</source>
            <translation>Gradients of one micro-batch</translation>
        </message>
        <message>
            <source>What the optimizer keeps for each trained number</source>
            <translation>What the optimizer keeps for each trained number</translation>
        </message>
        <message>
            <source>float32 values of trained weights that are narrower</source>
            <translation>float32 values of trained weights that are narrower</translation>
        </message>
        <message>
            <source>Weights, adapter, gradients, moments and masters</source>
            <translation>Weights, adapter, gradients, moments and masters</translation>
        </message>
        <message>
            <source>What the run leaves behind</source>
            <translation>What the run leaves behind</translation>
        </message>
        <message>
            <source>weights</source>
            <translation>weights</translation>
        </message>
        <message>
            <source>adapter</source>
            <translation>adapter</translation>
        </message>
        <message>
            <source>gradients</source>
            <translation>gradients</translation>
        </message>
        <message>
            <source>moments</source>
            <translation>moments</translation>
        </message>
        <message>
            <source>masters</source>
            <translation>masters</translation>
        </message>
    </context>
    <context>
        <name>luthier::ShortRunModel</name>
        <message>
            <source>waits</source>
            <translation>waits</translation>
        </message>
        <message>
            <source>%1 ms</source>
            <translation>%1 ms</translation>
        </message>
        <message>
            <source>%1 s</source>
            <translation>%1 s</translation>
        </message>
        <message>
            <source>The lowest of them</source>
            <translation>The lowest of them</translation>
        </message>
        <message>
            <source>Method</source>
            <translation>Method</translation>
        </message>
        <message>
            <source>State</source>
            <translation>State</translation>
        </message>
        <message>
            <source>Step</source>
            <translation>Step</translation>
        </message>
        <message>
            <source>Tokens/s</source>
            <translation>Tokens/s</translation>
        </message>
        <message>
            <source>Loss</source>
            <translation>Loss</translation>
        </message>
        <message>
            <source>Perplexity</source>
            <translation>Perplexity</translation>
        </message>
        <message>
            <source>4 bits lose</source>
            <translation>4 bits lose</translation>
        </message>
        <message>
            <source>Peak memory</source>
            <translation>Peak memory</translation>
        </message>
        <message>
            <source>File</source>
            <translation>File</translation>
        </message>
        <message>
            <source>In the colour of its curve</source>
            <translation>In the colour of its curve</translation>
        </message>
        <message>
            <source>What the run is at</source>
            <translation>What the run is at</translation>
        </message>
        <message>
            <source>Median over the steps but the first</source>
            <translation>Median over the steps but the first</translation>
        </message>
        <message>
            <source>Tokens of the steps but the first, over their seconds</source>
            <translation>Tokens of the steps but the first, over their seconds</translation>
        </message>
        <message>
            <source>Training loss of the last step</source>
            <translation>Training loss of the last step</translation>
        </message>
        <message>
            <source>Loss on the recipe's evaluation data after the last step</source>
            <translation>Loss on the recipe's evaluation data after the last step</translation>
        </message>
        <message>
            <source>e to the power of the held-out loss</source>
            <translation>e to the power of the held-out loss</translation>
        </message>
        <message>
            <source>At most in memory during a step</source>
            <translation>At most in memory during a step</translation>
        </message>
        <message>
            <source>Tensors that the run left behind</source>
            <translation>Tensors that the run left behind</translation>
        </message>
        <message>
            <source>%1 pp · %2</source>
            <translation>%1 pp · %2</translation>
        </message>
        <message>
            <source>The highest of them</source>
            <translation>The highest of them</translation>
        </message>
        <message numerus="yes">
            <source>Of %n answers to held-out rows</source>
            <translation>
                <numerusform>Of %n answer to held-out rows</numerusform>
                <numerusform>Of %n answers to held-out rows</numerusform>
            </translation>
        </message>
        <message>
            <source>chrF %1</source>
            <translation>chrF %1</translation>
        </message>
        <message>
            <source>valid JSON %1</source>
            <translation>valid JSON %1</translation>
        </message>
        <message>
            <source>Held-out loss %1</source>
            <translation>Held-out loss %1</translation>
        </message>
        <message>
            <source>Exact</source>
            <translation>Exact</translation>
        </message>
        <message>
            <source>Token F1</source>
            <translation>Token F1</translation>
        </message>
        <message>
            <source>Held-out loss</source>
            <translation>Held-out loss</translation>
        </message>
        <message>
            <source>Share of the answers to the first held-out rows that are the expected ones, to the letter</source>
            <translation>Share of the answers to the first held-out rows that are the expected ones, to the letter</translation>
        </message>
        <message>
            <source>Words that the answers to the first held-out rows share with the expected ones</source>
            <translation>Words that the answers to the first held-out rows share with the expected ones</translation>
        </message>
        <message>
            <source>Against the same method over the plain weights: exact answers in percentage points, and perplexity</source>
            <translation>Against the same method over the plain weights: exact answers in percentage points, and perplexity</translation>
        </message>
    </context>
    <context>
        <name>luthier::ShortRunsPanel</name>
        <message>
            <source>Short runs</source>
            <translation>Short runs</translation>
        </message>
        <message>
            <source>&amp;Steps</source>
            <translation>&amp;Steps</translation>
        </message>
        <message>
            <source>Steps of each short run</source>
            <translation>Steps of each short run</translation>
        </message>
        <message>
            <source>Stop</source>
            <translation>Stop</translation>
        </message>
        <message>
            <source>Ends the run that trains without saving it, and those that wait</source>
            <translation>Ends the run that trains without saving it, and those that wait</translation>
        </message>
        <message>
            <source>What the short runs came to</source>
            <translation>What the short runs came to</translation>
        </message>
        <message>
            <source>Step %1</source>
            <translation>Step %1</translation>
        </message>
        <message>
            <source>Loss, and held-out loss as a dot</source>
            <translation>Loss, and held-out loss as a dot</translation>
        </message>
        <message>
            <source>%1, held-out</source>
            <translation>%1, held-out</translation>
        </message>
        <message>
            <source>Run the ticked one</source>
            <translation>Run the ticked one</translation>
        </message>
        <message>
            <source>Run the ticked %1</source>
            <translation>Run the ticked %1</translation>
        </message>
        <message>
            <source>Run %1 of %2. Pause it, or stop it, above.</source>
            <translation>Run %1 of %2. Pause it, or stop it, above.</translation>
        </message>
        <message>
            <source>Runs are of the recipe's model; the table is of another.</source>
            <translation>Runs are of the recipe's model; the table is of another.</translation>
        </message>
        <message>
            <source>Choose rows on the Data page: each ticked method trains on the same ones.</source>
            <translation>Choose rows on the Data page: each ticked method trains on the same ones.</translation>
        </message>
        <message>
            <source>On %1, one after another; held out: %2.</source>
            <translation>On %1, one after another; held out: %2.</translation>
        </message>
        <message>
            <source>On %1, one after another. Name evaluation data on the Train page, and held-out loss and answers are measured too.</source>
            <translation>On %1, one after another. Name evaluation data on the Train page, and held-out loss and answers are measured too.</translation>
        </message>
    </context>
    <context>
        <name>luthier::MethodsPage</name>
        <message>
            <source>A folder with a config.json</source>
            <translation>A folder with a config.json</translation>
        </message>
        <message>
            <source>Methods &amp;for</source>
            <translation>Methods &amp;for</translation>
        </message>
        <message>
            <source>The model that the methods are for</source>
            <translation>The model that the methods are for</translation>
        </message>
        <message>
            <source>Choose another model: its config.json is enough for the table</source>
            <translation>Choose another model: its config.json is enough for the table</translation>
        </message>
        <message>
            <source>Choose another model</source>
            <translation>Choose another model</translation>
        </message>
        <message>
            <source>&amp;4-bit base beside</source>
            <translation>&amp;4-bit base beside</translation>
        </message>
        <message>
            <source>Methods that add to the base once more, over its weights in 4 bits</source>
            <translation>Methods that add to the base once more, over its weights in 4 bits</translation>
        </message>
        <message>
            <source>&amp;Use this method</source>
            <translation>&amp;Use this method</translation>
        </message>
        <message>
            <source>Sets the selected method on the Train page</source>
            <translation>Sets the selected method on the Train page</translation>
        </message>
        <message>
            <source>What each method takes</source>
            <translation>What each method takes</translation>
        </message>
        <message>
            <source>Methods and what each takes</source>
            <translation>Methods and what each takes</translation>
        </message>
        <message>
            <source>Go to Train</source>
            <translation>Go to Train</translation>
        </message>
        <message>
            <source>No model yet</source>
            <translation>No model yet</translation>
        </message>
        <message>
            <source>Every way to tune it is laid side by side here: what trains, what stands in memory, how large the file is. Load a model, or choose a folder above: a config.json is enough.</source>
            <translation>Every way to tune it is laid side by side here: what trains, what stands in memory, how large the file is. Load a model, or choose a folder above: a config.json is enough.</translation>
        </message>
        <message>
            <source>Go to Model</source>
            <translation>Go to Model</translation>
        </message>
        <message>
            <source>%1: %2 parameters, computed in %3, %4. Sizes are in powers of ten; activations, which depend on the rows, are in the Train page's forecast.</source>
            <translation>%1: %2 parameters, computed in %3, %4. Sizes are in powers of ten; activations, which depend on the rows, are in the Train page's forecast.</translation>
        </message>
    </context>
    <context>
        <name>luthier::RankModules</name>
        <message>
            <source>Module</source>
            <translation>Module</translation>
        </message>
        <message>
            <source>Rank</source>
            <translation>Rank</translation>
        </message>
        <message>
            <source>Effective</source>
            <translation>Effective</translation>
        </message>
        <message>
            <source>For 99 %</source>
            <translation>For 99 %</translation>
        </message>
        <message>
            <source>Norm</source>
            <translation>Norm</translation>
        </message>
        <message>
            <source>How many values hold 99 % of the squared norm</source>
            <translation>How many values hold 99 % of the squared norm</translation>
        </message>
    </context>
    <context>
        <name>luthier::CopiedTable</name>
        <message>
            <source>Copy the table</source>
            <translation>Copy the table</translation>
        </message>
        <message>
            <source>Copy the row</source>
            <translation>Copy the row</translation>
        </message>
    </context>
    <context>
        <name>luthier::Pager</name>
        <message>
            <source>Previous samples</source>
            <translation>Previous samples</translation>
        </message>
        <message>
            <source>Next samples</source>
            <translation>Next samples</translation>
        </message>
        <message>
            <source>%1 of %2</source>
            <translation>%1 of %2</translation>
        </message>
        <message>
            <source>%1–%2 of %3</source>
            <translation>%1–%2 of %3</translation>
        </message>
    </context>
    <context>
        <name>luthier::StagesStrip</name>
        <message>
            <source>%1, running</source>
            <translation>%1, running</translation>
        </message>
        <message>
            <source>%1, done</source>
            <translation>%1, done</translation>
        </message>
        <message>
            <source>The form shows the settings of this stage</source>
            <translation>The form shows the settings of this stage</translation>
        </message>
        <message>
            <source>Show the settings of this stage in the form</source>
            <translation>Show the settings of this stage in the form</translation>
        </message>
        <message>
            <source>All tasks</source>
            <translation>All tasks</translation>
        </message>
        <message>
            <source>What the model knows of every task before the first and after each</source>
            <translation>What the model knows of every task before the first and after each</translation>
        </message>
        <message>
            <source>Base</source>
            <translation>Base</translation>
        </message>
        <message>
            <source>After %1</source>
            <translation>After %1</translation>
        </message>
        <message>
            <source>Exact match</source>
            <translation>Exact match</translation>
        </message>
        <message>
            <source>Token F1</source>
            <translation>Token F1</translation>
        </message>
        <message>
            <source>Valid JSON</source>
            <translation>Valid JSON</translation>
        </message>
        <message>
            <source>Loss</source>
            <translation>Loss</translation>
        </message>
        <message>
            <source>Average %1, backward transfer %2, forward transfer %3, forgetting %4</source>
            <translation>Average %1, backward transfer %2, forward transfer %3, forgetting %4</translation>
        </message>
    </context>
    <context>
        <name>luthier::RewardPlot</name>
        <message>
            <source>How the rewards are spread</source>
            <translation>How the rewards are spread</translation>
        </message>
        <message>
            <source>Step %1: no rewards</source>
            <translation>Step %1: no rewards</translation>
        </message>
        <message>
            <source>Step %1: mean %2</source>
            <translation>Step %1: mean %2</translation>
        </message>
        <message numerus="yes">
            <source>%n answers</source>
            <translation>
                <numerusform>%n answer</numerusform>
                <numerusform>%n answers</numerusform>
            </translation>
        </message>
        <message>
            <source>Over the run, with the mean</source>
            <translation>Over the run, with the mean</translation>
        </message>
        <message>
            <source>step %1</source>
            <translation>step %1</translation>
        </message>
        <message>
            <source>Step %1</source>
            <translation>Step %1</translation>
        </message>
        <message>
            <source>Steps %1 to %2</source>
            <translation>Steps %1 to %2</translation>
        </message>
        <message>
            <source>%1: %2, mean %3, from %4 to %5</source>
            <translation>%1: %2, mean %3, from %4 to %5</translation>
        </message>
        <message numerus="yes">
            <source>%1 to %2: %n answers</source>
            <translation>
                <numerusform>%1 to %2: %n answer</numerusform>
                <numerusform>%1 to %2: %n answers</numerusform>
            </translation>
        </message>
    </context>
    <context>
        <name>luthier::RolloutPanel</name>
        <message>
            <source>Prompts and their answers</source>
            <translation>Prompts and their answers</translation>
        </message>
        <message>
            <source>The step before</source>
            <translation>The step before</translation>
        </message>
        <message>
            <source>The next step</source>
            <translation>The next step</translation>
        </message>
        <message>
            <source>Newest</source>
            <translation>Newest</translation>
        </message>
        <message>
            <source>Follows the newest step as it comes</source>
            <translation>Follows the newest step as it comes</translation>
        </message>
        <message>
            <source>Whose rewards are shown</source>
            <translation>Whose rewards are shown</translation>
        </message>
        <message>
            <source>Sum of rewards</source>
            <translation>Sum of rewards</translation>
        </message>
        <message>
            <source>Step %1 · %2 of %3</source>
            <translation>Step %1 · %2 of %3</translation>
        </message>
        <message>
            <source>No step has drawn answers yet</source>
            <translation>No step has drawn answers yet</translation>
        </message>
    </context>
    <context>
        <name>luthier::RunViews</name>
        <message>
            <source>What is shown of the run</source>
            <translation>What is shown of the run</translation>
        </message>
        <message>
            <source>Curves</source>
            <translation>Curves</translation>
        </message>
        <message>
            <source>Roll-outs</source>
            <translation>Roll-outs</translation>
        </message>
        <message>
            <source>The answers that the run draws, with their rewards</source>
            <translation>The answers that the run draws, with their rewards</translation>
        </message>
        <message>
            <source>How much worse the probe's questions are answered than before the first step: the fall of the answers' token F1, in points of a hundred.</source>
            <translation>How much worse the probe's questions are answered than before the first step: the fall of the answers' token F1, in points of a hundred.</translation>
        </message>
        <message>
            <source>Forgotten: %1 points of the probe (%2 at the start, %3 at step %4)</source>
            <translation>Forgotten: %1 points of the probe (%2 at the start, %3 at step %4)</translation>
        </message>
        <message>
            <source>Nothing forgotten: %1 points on the probe (%2 at the start, %3 at step %4)</source>
            <translation>Nothing forgotten: %1 points on the probe (%2 at the start, %3 at step %4)</translation>
        </message>
    </context>
    <context>
        <name>DrawnAnswers</name>
        <message numerus="yes">
            <source>%n tokens</source>
            <translation>
                <numerusform>%n token</numerusform>
                <numerusform>%n tokens</numerusform>
            </translation>
        </message>
        <message>
            <source>(empty)</source>
            <translation>(empty)</translation>
        </message>
        <message>
            <source>shorter</source>
            <translation>shorter</translation>
        </message>
        <message>
            <source>all %1 characters</source>
            <translation>all %1 characters</translation>
        </message>
        <message>
            <source>best</source>
            <translation>best</translation>
        </message>
        <message>
            <source>worst</source>
            <translation>worst</translation>
        </message>
    </context>
    <context>
        <name>luthier::ProgramChooser</name>
        <message>
            <source>A program of your own…</source>
            <translation>A program of your own…</translation>
        </message>
        <message>
            <source>No program</source>
            <translation>No program</translation>
        </message>
        <message>
            <source>Choose a program that judges answers</source>
            <translation>Choose a program that judges answers</translation>
        </message>
        <message>
            <source>It is run as you, with all that you may do, from this run's start to its end. No recipe keeps it.</source>
            <translation>It is run as you, with all that you may do, from this run's start to its end. No recipe keeps it.</translation>
        </message>
        <message>
            <source>It is not run: the rewards do not name "%1".</source>
            <translation>It is not run: the rewards do not name "%1".</translation>
        </message>
        <message>
            <source>The rewards name "%1", and none is chosen.</source>
            <translation>The rewards name "%1", and none is chosen.</translation>
        </message>
    </context>
    <context>
        <name>luthier::LiveSettings</name>
        <message>
            <source>Learning &amp;rate from the next step</source>
            <translation>Learning &amp;rate from the next step</translation>
        </message>
        <message>
            <source>Learning rate from the next step</source>
            <translation>Learning rate from the next step</translation>
        </message>
        <message>
            <source>Max &amp;grad norm</source>
            <translation>Max &amp;grad norm</translation>
        </message>
        <message>
            <source>Max grad norm from the next step</source>
            <translation>Max grad norm from the next step</translation>
        </message>
        <message>
            <source>Log e&amp;very</source>
            <translation>Log e&amp;very</translation>
        </message>
        <message>
            <source>Steps between two lines of metrics, from now on</source>
            <translation>Steps between two lines of metrics, from now on</translation>
        </message>
        <message>
            <source>Apply</source>
            <translation>Apply</translation>
        </message>
        <message>
            <source>%1 %2 from the next step; now %3</source>
            <translation>%1 %2 from the next step; now %3</translation>
        </message>
        <message>
            <source>Peak rate in force: %1</source>
            <translation>Peak rate in force: %1</translation>
        </message>
    </context>
    <context>
        <name>luthier::Filmstrip</name>
        <message>
            <source>With “Answer samples every”, the run answers the same few questions as it learns, and what it says then stands here.</source>
            <translation>With “Answer samples every”, the run answers the same few questions as it learns, and what it says then stands here.</translation>
        </message>
        <message>
            <source>Sample questions and their answers</source>
            <translation>Sample questions and their answers</translation>
        </message>
        <message>
            <source>The answers before</source>
            <translation>The answers before</translation>
        </message>
        <message>
            <source>The next answers</source>
            <translation>The next answers</translation>
        </message>
        <message>
            <source>The step whose answers are shown</source>
            <translation>The step whose answers are shown</translation>
        </message>
        <message>
            <source>Newest</source>
            <translation>Newest</translation>
        </message>
        <message>
            <source>Follows the newest answers as they come</source>
            <translation>Follows the newest answers as they come</translation>
        </message>
        <message>
            <source>an empty answer</source>
            <translation>an empty answer</translation>
        </message>
        <message>
            <source>✓ as expected</source>
            <translation>✓ as expected</translation>
        </message>
        <message>
            <source>expected: %1</source>
            <translation>expected: %1</translation>
        </message>
        <message>
            <source>Before the first step · %1 of %2</source>
            <translation>Before the first step · %1 of %2</translation>
        </message>
        <message>
            <source>Step %1 · %2 of %3</source>
            <translation>Step %1 · %2 of %3</translation>
        </message>
    </context>
    <context>
        <name>luthier::ForkDialog</name>
        <message>
            <source>Fork a run</source>
            <translation>Fork a run</translation>
        </message>
        <message>
            <source>More steps</source>
            <translation>More steps</translation>
        </message>
        <message>
            <source>A new run from a checkpoint of %1</source>
            <translation>A new run from a checkpoint of %1</translation>
        </message>
        <message>
            <source>More steps for %1</source>
            <translation>More steps for %1</translation>
        </message>
        <message>
            <source>&amp;Name of the new run</source>
            <translation>&amp;Name of the new run</translation>
        </message>
        <message>
            <source>Name of the new run</source>
            <translation>Name of the new run</translation>
        </message>
        <message>
            <source>Begins with s&amp;tep</source>
            <translation>Begins with s&amp;tep</translation>
        </message>
        <message>
            <source>&amp;Further steps</source>
            <translation>&amp;Further steps</translation>
        </message>
        <message>
            <source>Checkpoint to begin with</source>
            <translation>Checkpoint to begin with</translation>
        </message>
        <message>
            <source>Further steps</source>
            <translation>Further steps</translation>
        </message>
        <message>
            <source>Carry the &amp;optimizer's state on</source>
            <translation>Carry the &amp;optimizer's state on</translation>
        </message>
        <message>
            <source>On: the run goes on from that step, with the curves until there. Off: it takes the weights alone and begins at step 0.</source>
            <translation>On: the run goes on from that step, with the curves until there. Off: it takes the weights alone and begins at step 0.</translation>
        </message>
        <message>
            <source>Settings that are to differ</source>
            <translation>Settings that are to differ</translation>
        </message>
        <message>
            <source>&amp;Cancel</source>
            <translation>&amp;Cancel</translation>
        </message>
        <message>
            <source>&amp;Make it, start later</source>
            <translation>&amp;Make it, start later</translation>
        </message>
        <message>
            <source>Make it and &amp;start</source>
            <translation>Make it and &amp;start</translation>
        </message>
        <message>
            <source>The finished run stays as it is. The new one goes on from step %1 to step %2, its optimizer carried on.</source>
            <translation>The finished run stays as it is. The new one goes on from step %1 to step %2, its optimizer carried on.</translation>
        </message>
        <message>
            <source>It ends as if that many steps had been asked for from the start.</source>
            <translation>It ends as if that many steps had been asked for from the start.</translation>
        </message>
        <message>
            <source>It does not end as if that many had been asked for from the start:</source>
            <translation>It does not end as if that many had been asked for from the start:</translation>
        </message>
        <message>
            <source>Goes on from step %1 with the optimizer's moments, the schedule at that step and the rows that come next. The curves until there are copied.</source>
            <translation>Goes on from step %1 with the optimizer's moments, the schedule at that step and the rows that come next. The curves until there are copied.</translation>
        </message>
        <message>
            <source>Takes the weights of step %1 and nothing else: a fresh optimizer, the schedule and the rows from their start, at step 0.</source>
            <translation>Takes the weights of step %1 and nothing else: a fresh optimizer, the schedule and the rows from their start, at step 0.</translation>
        </message>
        <message>
            <source>Another run or a model is being worked on now</source>
            <translation>Another run or a model is being worked on now</translation>
        </message>
    </context>
    <context>
        <name>luthier::NotesPanel</name>
        <message>
            <source>T&amp;ags</source>
            <translation>T&amp;ags</translation>
        </message>
        <message>
            <source>Tags of the selected run</source>
            <translation>Tags of the selected run</translation>
        </message>
        <message>
            <source>baseline, good: with commas between them</source>
            <translation>baseline, good: with commas between them</translation>
        </message>
        <message>
            <source>N&amp;ote</source>
            <translation>N&amp;ote</translation>
        </message>
        <message>
            <source>Note about the selected run</source>
            <translation>Note about the selected run</translation>
        </message>
        <message>
            <source>What you tried, what came of it. Kept in the run's folder.</source>
            <translation>What you tried, what came of it. Kept in the run's folder.</translation>
        </message>
    </context>
    <context>
        <name>luthier::OutcomesView</name>
        <message>
            <source>&amp;Of</source>
            <translation>&amp;Of</translation>
        </message>
        <message>
            <source>Whose outcomes are shown</source>
            <translation>Whose outcomes are shown</translation>
        </message>
        <message>
            <source>Settings and outcomes as parallel coordinates</source>
            <translation>Settings and outcomes as parallel coordinates</translation>
        </message>
        <message>
            <source>Settings and outcomes</source>
            <translation>Settings and outcomes</translation>
        </message>
        <message>
            <source>the ticked runs</source>
            <translation>the ticked runs</translation>
        </message>
        <message>
            <source>Peak memory</source>
            <translation>Peak memory</translation>
        </message>
        <message>
            <source>Time</source>
            <translation>Time</translation>
        </message>
        <message>
            <source>Last loss</source>
            <translation>Last loss</translation>
        </message>
        <message>
            <source>Best evaluation</source>
            <translation>Best evaluation</translation>
        </message>
        <message>
            <source>Tick two runs or more, or choose a tag.</source>
            <translation>Tick two runs or more, or choose a tag.</translation>
        </message>
        <message numerus="yes">
            <source>%n runs; the strongest line has the lowest evaluation loss.</source>
            <translation>
                <numerusform>%n run; the strongest line has the lowest evaluation loss.</numerusform>
                <numerusform>%n runs; the strongest line has the lowest evaluation loss.</numerusform>
            </translation>
        </message>
        <message numerus="yes">
            <source>%n runs; the strongest line has the lowest last loss.</source>
            <translation>
                <numerusform>%n run; the strongest line has the lowest last loss.</numerusform>
                <numerusform>%n runs; the strongest line has the lowest last loss.</numerusform>
            </translation>
        </message>
        <message>
            <source>Run</source>
            <translation>Run</translation>
        </message>
    </context>
    <context>
        <name>luthier::QueuePanel</name>
        <message>
            <source>&amp;Queue the Train page's recipe</source>
            <translation>&amp;Queue the Train page's recipe</translation>
        </message>
        <message>
            <source>Runs as the settings stand now, after what waits already</source>
            <translation>Runs as the settings stand now, after what waits already</translation>
        </message>
        <message>
            <source>Swee&amp;p…</source>
            <translation>Swee&amp;p…</translation>
        </message>
        <message>
            <source>A run for each combination of a few values of a few settings</source>
            <translation>A run for each combination of a few values of a few settings</translation>
        </message>
        <message>
            <source>Clear what has &amp;ended</source>
            <translation>Clear what has &amp;ended</translation>
        </message>
        <message>
            <source>Earlier</source>
            <translation>Earlier</translation>
        </message>
        <message>
            <source>Later</source>
            <translation>Later</translation>
        </message>
        <message>
            <source>Take it out of the queue</source>
            <translation>Take it out of the queue</translation>
        </message>
        <message>
            <source>Queued runs</source>
            <translation>Queued runs</translation>
        </message>
        <message>
            <source>Name</source>
            <translation>Name</translation>
        </message>
        <message>
            <source>State</source>
            <translation>State</translation>
        </message>
        <message>
            <source>Group</source>
            <translation>Group</translation>
        </message>
        <message>
            <source>Run folder</source>
            <translation>Run folder</translation>
        </message>
        <message>
            <source>waits</source>
            <translation>waits</translation>
        </message>
        <message>
            <source>&amp;Go on</source>
            <translation>&amp;Go on</translation>
        </message>
        <message>
            <source>&amp;Hold</source>
            <translation>&amp;Hold</translation>
        </message>
        <message>
            <source>Launches what waits, one after another</source>
            <translation>Launches what waits, one after another</translation>
        </message>
        <message>
            <source>Launches nothing more; what runs goes on</source>
            <translation>Launches nothing more; what runs goes on</translation>
        </message>
        <message numerus="yes">
            <source>Held; %n runs wait.</source>
            <translation>
                <numerusform>Held; %n run waits.</numerusform>
                <numerusform>Held; %n runs wait.</numerusform>
            </translation>
        </message>
        <message numerus="yes">
            <source>%n runs wait.</source>
            <translation>
                <numerusform>%n run waits.</numerusform>
                <numerusform>%n runs wait.</numerusform>
            </translation>
        </message>
        <message>
            <source>A setting on the Train page cannot be used: mend it first.</source>
            <translation>A setting on the Train page cannot be used: mend it first.</translation>
        </message>
        <message>
            <source>Nothing is queued: add the Train page's recipe, or make a sweep.</source>
            <translation>Nothing is queued: add the Train page's recipe, or make a sweep.</translation>
        </message>
        <message>
            <source>A recipe of stages is launched, not queued.</source>
            <translation>A recipe of stages is launched, not queued.</translation>
        </message>
    </context>
    <context>
        <name>luthier::RunActions</name>
        <message>
            <source>&amp;Fork from a checkpoint…</source>
            <translation>&amp;Fork from a checkpoint…</translation>
        </message>
        <message>
            <source>A new run that begins with one of its checkpoints, with other settings</source>
            <translation>A new run that begins with one of its checkpoints, with other settings</translation>
        </message>
        <message>
            <source>&amp;More steps…</source>
            <translation>&amp;More steps…</translation>
        </message>
        <message>
            <source>A new run that goes on from a finished one</source>
            <translation>A new run that goes on from a finished one</translation>
        </message>
        <message>
            <source>&amp;Rename</source>
            <translation>&amp;Rename</translation>
        </message>
        <message>
            <source>&amp;Open its folder</source>
            <translation>&amp;Open its folder</translation>
        </message>
        <message>
            <source>&amp;Import curves of another program…</source>
            <translation>&amp;Import curves of another program…</translation>
        </message>
        <message>
            <source>TensorBoard's event files or a trainer_state.json, to lay over</source>
            <translation>TensorBoard's event files or a trainer_state.json, to lay over</translation>
        </message>
        <message>
            <source>&amp;Take the imported curves out of the list</source>
            <translation>&amp;Take the imported curves out of the list</translation>
        </message>
        <message>
            <source>Tick &amp;all shown</source>
            <translation>Tick &amp;all shown</translation>
        </message>
        <message>
            <source>Tick n&amp;one</source>
            <translation>Tick n&amp;one</translation>
        </message>
        <message>
            <source>Move to the &amp;bin (%1)</source>
            <translation>Move to the &amp;bin (%1)</translation>
        </message>
        <message>
            <source>Move to the &amp;bin</source>
            <translation>Move to the &amp;bin</translation>
        </message>
        <message>
            <source>It trains now: stop it first</source>
            <translation>It trains now: stop it first</translation>
        </message>
        <message>
            <source>%1 (%2) is in the bin: %3.</source>
            <translation>%1 (%2) is in the bin: %3.</translation>
        </message>
        <message>
            <source>Undo</source>
            <translation>Undo</translation>
        </message>
        <message>
            <source>Event files of TensorBoard, or a trainer_state.json</source>
            <translation>Event files of TensorBoard, or a trainer_state.json</translation>
        </message>
        <message>
            <source>Curves (*tfevents* trainer_state.json);;All files (*)</source>
            <translation>Curves (*tfevents* trainer_state.json);;All files (*)</translation>
        </message>
        <message>
            <source>&amp;Chat with its result…</source>
            <translation>&amp;Chat with its result…</translation>
        </message>
        <message>
            <source>E&amp;xport its result…</source>
            <translation>E&amp;xport its result…</translation>
        </message>
        <message>
            <source>GGUF for llama.cpp and Ollama, a checkpoint, a PEFT folder</source>
            <translation>GGUF for llama.cpp and Ollama, a checkpoint, a PEFT folder</translation>
        </message>
    </context>
    <context>
        <name>luthier::DifferencesView</name>
        <message>
            <source>Settings that differ</source>
            <translation>Settings that differ</translation>
        </message>
        <message>
            <source>Tick two runs or more: what was set differently stands here.</source>
            <translation>Tick two runs or more: what was set differently stands here.</translation>
        </message>
        <message>
            <source>Setting</source>
            <translation>Setting</translation>
        </message>
        <message>
            <source>These runs have the same settings.</source>
            <translation>These runs have the same settings.</translation>
        </message>
        <message numerus="yes">
            <source>%n settings differ.</source>
            <translation>
                <numerusform>%n setting differs.</numerusform>
                <numerusform>%n settings differ.</numerusform>
            </translation>
        </message>
    </context>
    <context>
        <name>luthier::SettingRows</name>
        <message>
            <source>Another setting</source>
            <translation>Another setting</translation>
        </message>
        <message>
            <source>Setting</source>
            <translation>Setting</translation>
        </message>
        <message>
            <source>Value</source>
            <translation>Value</translation>
        </message>
        <message>
            <source>Take this setting out</source>
            <translation>Take this setting out</translation>
        </message>
    </context>
    <context>
        <name>luthier::SweepDialog</name>
        <message>
            <source>Sweep</source>
            <translation>Sweep</translation>
        </message>
        <message>
            <source>Runs with a few values of a few settings</source>
            <translation>Runs with a few values of a few settings</translation>
        </message>
        <message>
            <source>&amp;Name of the sweep</source>
            <translation>&amp;Name of the sweep</translation>
        </message>
        <message>
            <source>Name of the sweep</source>
            <translation>Name of the sweep</translation>
        </message>
        <message>
            <source>The values to try, with commas between them; with semicolons where a value holds commas. Every combination is a run of its own.</source>
            <translation>The values to try, with commas between them; with semicolons where a value holds commas. Every combination is a run of its own.</translation>
        </message>
        <message>
            <source>&amp;Cancel</source>
            <translation>&amp;Cancel</translation>
        </message>
        <message numerus="yes">
            <source>&amp;Queue %n runs</source>
            <translation>
                <numerusform>&amp;Queue %n run</numerusform>
                <numerusform>&amp;Queue %n runs</numerusform>
            </translation>
        </message>
        <message>
            <source>&amp;Queue</source>
            <translation>&amp;Queue</translation>
        </message>
    </context>
    <context>
        <name>luthier::AnnotateWindow</name>
        <message>
            <source>A dataset from pictures</source>
            <translation>A dataset from pictures</translation>
        </message>
        <message>
            <source>An answer is not accepted</source>
            <translation>An answer is not accepted</translation>
        </message>
        <message>
            <source>The answer that stands there is in no row. Close all the same?</source>
            <translation>The answer that stands there is in no row. Close all the same?</translation>
        </message>
        <message>
            <source>&amp;Close all the same</source>
            <translation>&amp;Close all the same</translation>
        </message>
        <message>
            <source>&amp;Stay here</source>
            <translation>&amp;Stay here</translation>
        </message>
    </context>
    <context>
        <name>luthier::AnnotationDesk</name>
        <message>
            <source>&amp;Train on these rows</source>
            <translation>&amp;Train on these rows</translation>
        </message>
        <message>
            <source>The file becomes the training data of the recipe</source>
            <translation>The file becomes the training data of the recipe</translation>
        </message>
        <message>
            <source>Pictures and questions</source>
            <translation>Pictures and questions</translation>
        </message>
        <message>
            <source>The picture that is asked about</source>
            <translation>The picture that is asked about</translation>
        </message>
        <message>
            <source>How much is done</source>
            <translation>How much is done</translation>
        </message>
        <message>
            <source>Q&amp;uestion</source>
            <translation>Q&amp;uestion</translation>
        </message>
        <message>
            <source>Answer &amp;2</source>
            <translation>Answer &amp;2</translation>
        </message>
        <message>
            <source>&amp;Who proposes</source>
            <translation>&amp;Who proposes</translation>
        </message>
        <message>
            <source>Who proposes answers</source>
            <translation>Who proposes answers</translation>
        </message>
        <message>
            <source>&amp;Propose</source>
            <translation>&amp;Propose</translation>
        </message>
        <message>
            <source>Propose as I &amp;go</source>
            <translation>Propose as I &amp;go</translation>
        </message>
        <message>
            <source>The next picture is answered while you look at this one</source>
            <translation>The next picture is answered while you look at this one</translation>
        </message>
        <message>
            <source>&amp;Accept</source>
            <translation>&amp;Accept</translation>
        </message>
        <message>
            <source>1 is better</source>
            <translation>1 is better</translation>
        </message>
        <message>
            <source>2 is better</source>
            <translation>2 is better</translation>
        </message>
        <message>
            <source>Good</source>
            <translation>Good</translation>
        </message>
        <message>
            <source>Bad</source>
            <translation>Bad</translation>
        </message>
        <message>
            <source>&amp;Skip</source>
            <translation>&amp;Skip</translation>
        </message>
        <message>
            <source>&amp;Back</source>
            <translation>&amp;Back</translation>
        </message>
        <message>
            <source>Take the row &amp;out again</source>
            <translation>Take the row &amp;out again</translation>
        </message>
        <message>
            <source>base</source>
            <translation>base</translation>
        </message>
        <message>
            <source>%1 of %2 answered, %3 skipped</source>
            <translation>%1 of %2 answered, %3 skipped</translation>
        </message>
        <message>
            <source>Answer &amp;1</source>
            <translation>Answer &amp;1</translation>
        </message>
        <message>
            <source>A&amp;nswer</source>
            <translation>A&amp;nswer</translation>
        </message>
        <message>
            <source>First answer</source>
            <translation>First answer</translation>
        </message>
        <message>
            <source>Answer</source>
            <translation>Answer</translation>
        </message>
        <message>
            <source>Second answer</source>
            <translation>Second answer</translation>
        </message>
        <message>
            <source>&amp;Propose another</source>
            <translation>&amp;Propose another</translation>
        </message>
        <message>
            <source>The model answers…</source>
            <translation>The model answers…</translation>
        </message>
        <message>
            <source>Proposed by the model; change what is wrong.</source>
            <translation>Proposed by the model; change what is wrong.</translation>
        </message>
        <message>
            <source>Proposed by the model, and cut off before its end.</source>
            <translation>Proposed by the model, and cut off before its end.</translation>
        </message>
        <message>
            <source>This answer is a model&apos;s.</source>
            <translation>This answer is a model&apos;s.</translation>
        </message>
        <message>
            <source>Load a model, and it proposes answers.</source>
            <translation>Load a model, and it proposes answers.</translation>
        </message>
    </context>
    <context>
        <name>luthier::AnnotationSetup</name>
        <message>
            <source>Folder of pictures</source>
            <translation>Folder of pictures</translation>
        </message>
        <message>
            <source>File of rows</source>
            <translation>File of rows</translation>
        </message>
        <message>
            <source>Rows (*.jsonl)</source>
            <translation>Rows (*.jsonl)</translation>
        </message>
        <message>
            <source>Go on with</source>
            <translation>Go on with</translation>
        </message>
        <message>
            <source>Annotations (*.annotation.json)</source>
            <translation>Annotations (*.annotation.json)</translation>
        </message>
        <message>
            <source>A dataset from pictures</source>
            <translation>A dataset from pictures</translation>
        </message>
        <message>
            <source>Each picture is asked your questions, one after another. You type the answers, or take over, mend or pass what a loaded model proposes. Every answer is in the file at once, and the pictures stay as they are.</source>
            <translation>Each picture is asked your questions, one after another. You type the answers, or take over, mend or pass what a loaded model proposes. Every answer is in the file at once, and the pictures stay as they are.</translation>
        </message>
        <message>
            <source>&amp;Pictures</source>
            <translation>&amp;Pictures</translation>
        </message>
        <message>
            <source>A folder; drop one here</source>
            <translation>A folder; drop one here</translation>
        </message>
        <message>
            <source>Choose…</source>
            <translation>Choose…</translation>
        </message>
        <message>
            <source>Choose the folder of pictures</source>
            <translation>Choose the folder of pictures</translation>
        </message>
        <message>
            <source>&amp;Rows</source>
            <translation>&amp;Rows</translation>
        </message>
        <message>
            <source>What the rows are</source>
            <translation>What the rows are</translation>
        </message>
        <message>
            <source>Questions and answers</source>
            <translation>Questions and answers</translation>
        </message>
        <message>
            <source>Pairs: the better of two answers</source>
            <translation>Pairs: the better of two answers</translation>
        </message>
        <message>
            <source>Thumbs: is the answer good?</source>
            <translation>Thumbs: is the answer good?</translation>
        </message>
        <message>
            <source>For supervised tuning</source>
            <translation>For supervised tuning</translation>
        </message>
        <message>
            <source>For dpo and others that learn from preferences</source>
            <translation>For dpo and others that learn from preferences</translation>
        </message>
        <message>
            <source>For kto and bco</source>
            <translation>For kto and bco</translation>
        </message>
        <message>
            <source>&amp;Questions</source>
            <translation>&amp;Questions</translation>
        </message>
        <message>
            <source>Questions, one a line</source>
            <translation>Questions, one a line</translation>
        </message>
        <message>
            <source>One a line. {file} stands for the picture&apos;s name, {folder} for its folder&apos;s.</source>
            <translation>One a line. {file} stands for the picture&apos;s name, {folder} for its folder&apos;s.</translation>
        </message>
        <message>
            <source>&amp;File</source>
            <translation>&amp;File</translation>
        </message>
        <message>
            <source>Choose the file of rows</source>
            <translation>Choose the file of rows</translation>
        </message>
        <message>
            <source>&amp;Go on with one…</source>
            <translation>&amp;Go on with one…</translation>
        </message>
        <message>
            <source>&amp;Begin</source>
            <translation>&amp;Begin</translation>
        </message>
    </context>
    <context>
        <name>luthier::ItemModel</name>
        <message>
            <source>answered</source>
            <translation>answered</translation>
        </message>
        <message>
            <source>skipped</source>
            <translation>skipped</translation>
        </message>
        <message>
            <source>open</source>
            <translation>open</translation>
        </message>
    </context>
    <context>
        <name>luthier::SynthesisPanel</name>
        <message>
            <source>Samples</source>
            <translation>Samples</translation>
        </message>
        <message>
            <source>Samples an item</source>
            <translation>Samples an item</translation>
        </message>
        <message>
            <source>Agreement</source>
            <translation>Agreement</translation>
        </message>
        <message>
            <source>Agreement that is asked for</source>
            <translation>Agreement that is asked for</translation>
        </message>
        <message>
            <source>The share of the samples that must be the same answer</source>
            <translation>The share of the samples that must be the same answer</translation>
        </message>
        <message>
            <source>Must hold</source>
            <translation>Must hold</translation>
        </message>
        <message>
            <source>Regular expression that an answer must hold</source>
            <translation>Regular expression that an answer must hold</translation>
        </message>
        <message>
            <source>regular expression; empty: anything</source>
            <translation>regular expression; empty: anything</translation>
        </message>
        <message>
            <source>Stop</source>
            <translation>Stop</translation>
        </message>
        <message>
            <source>&amp;Fill the open ones</source>
            <translation>&amp;Fill the open ones</translation>
        </message>
        <message>
            <source>%1 of %2 looked at, %3 kept</source>
            <translation>%1 of %2 looked at, %3 kept</translation>
        </message>
        <message>
            <source>Or let the model answer all that is open, and keep what its samples agree on. Each row says so.</source>
            <translation>Or let the model answer all that is open, and keep what its samples agree on. Each row says so.</translation>
        </message>
        <message>
            <source>&quot;%1&quot; is no regular expression: %2.</source>
            <translation>&quot;%1&quot; is no regular expression: %2.</translation>
        </message>
    </context>
    <context>
        <name>Help</name>
        <message>
            <source>Start</source>
            <translation>Start</translation>
        </message>
        <message>
            <source>Begin here. The guided tour trains a small model in front of you and explains each curve. A teaching task begins with one click: “Train it” launches it at once, “Only set it up” fills in the settings and waits.

Below stand the models, recipes and runs that you had in hand before. A run that was interrupted can be resumed from here.</source>
            <translation>Begin here. The guided tour trains a small model in front of you and explains each curve. A teaching task begins with one click: “Train it” launches it at once, “Only set it up” fills in the settings and waits.

Below stand the models, recipes and runs that you had in hand before. A run that was interrupted can be resumed from here.</translation>
        </message>
        <message>
            <source>Model</source>
            <translation>Model</translation>
        </message>
        <message>
            <source>Load the model that is to learn: a folder as transformers writes it. The list shows what is on this machine; a model can also be downloaded from a hub.

Once it stands, the tree shows its modules with their shapes and what trains. Ticks in the tree choose the target modules of an adapter; the totals follow.</source>
            <translation>Load the model that is to learn: a folder as transformers writes it. The list shows what is on this machine; a model can also be downloaded from a hub.

Once it stands, the tree shows its modules with their shapes and what trains. Ticks in the tree choose the target modules of an adapter; the totals follow.</translation>
        </message>
        <message>
            <source>Data</source>
            <translation>Data</translation>
        </message>
        <message>
            <source>The rows to learn from, each as the model gets it: what is coloured is learned, the rest is only read. The check looks at every row and picture and names what is wrong before a run would stumble over it.</source>
            <translation>The rows to learn from, each as the model gets it: what is coloured is learned, the rest is only read. The check looks at every row and picture and names what is wrong before a run would stumble over it.</translation>
        </message>
        <message>
            <source>Train</source>
            <translation>Train</translation>
        </message>
        <message>
            <source>On the left the settings. Simple ones show at first, “Advanced” shows all; what differs from its default is bold. Changes can be undone. Press F1 in a setting to read about it.

Below them stands what the run will take in memory, part by part, before it starts. “Try one step” makes one step on the longest row and measures it.

On the right the curves of the run. They share one axis: drag and turn the wheel to look closer, double-click to see all. While the run is paused the model stays loaded and can be asked something. “Stop” asks whether to save.</source>
            <translation>On the left the settings. Simple ones show at first, “Advanced” shows all; what differs from its default is bold. Changes can be undone. Press F1 in a setting to read about it.

Below them stands what the run will take in memory, part by part, before it starts. “Try one step” makes one step on the longest row and measures it.

On the right the curves of the run. They share one axis: drag and turn the wheel to look closer, double-click to see all. While the run is paused the model stays loaded and can be asked something. “Stop” asks whether to save.</translation>
        </message>
        <message>
            <source>Compare</source>
            <translation>Compare</translation>
        </message>
        <message>
            <source>Adapters side by side on one base, with the same pictures, questions and seed. Attach adapters from finished runs, open samples and run all. Words that differ from the reference are marked; point at a word to see how sure the model was and what else it might have said. The slider in a column&apos;s head makes an adapter weaker or stronger.</source>
            <translation>Adapters side by side on one base, with the same pictures, questions and seed. Attach adapters from finished runs, open samples and run all. Words that differ from the reference are marked; point at a word to see how sure the model was and what else it might have said. The slider in a column&apos;s head makes an adapter weaker or stronger.</translation>
        </message>
        <message>
            <source>Runs</source>
            <translation>Runs</translation>
        </message>
        <message>
            <source>Every run that was trained, with its curves. Tick several to lay their curves over one another and to see which settings differ. “Use its settings” takes a run&apos;s settings back to the Train page, “Resume” goes on from its newest checkpoint.</source>
            <translation>Every run that was trained, with its curves. Tick several to lay their curves over one another and to see which settings differ. “Use its settings” takes a run&apos;s settings back to the Train page, “Resume” goes on from its newest checkpoint.</translation>
        </message>
        <message>
            <source>Methods</source>
            <translation>Methods</translation>
        </message>
        <message>
            <source>All methods for the loaded model beside one another: how much trains, what memory it takes, how large the result is. Tick a few and run them for some steps to see which one learns your data best.</source>
            <translation>All methods for the loaded model beside one another: how much trains, what memory it takes, how large the result is. Tick a few and run them for some steps to see which one learns your data best.</translation>
        </message>
        <message>
            <source>Merge</source>
            <translation>Merge</translation>
        </message>
        <message>
            <source>Several adapters made into one, or worked into the base&apos;s weights. The weights and the way of merging can be tried on questions before anything is written; the proof says how far the merged model&apos;s answers are from the unmerged one&apos;s.</source>
            <translation>Several adapters made into one, or worked into the base&apos;s weights. The weights and the way of merging can be tried on questions before anything is written; the proof says how far the merged model&apos;s answers are from the unmerged one&apos;s.</translation>
        </message>
        <message>
            <source>Ranks</source>
            <translation>Ranks</translation>
        </message>
        <message>
            <source>What an adapter uses of its rank: the singular values of each module&apos;s change, how many of them carry it, and which layers changed most. An adapter whose effective rank is far below its rank would have done with less.</source>
            <translation>What an adapter uses of its rank: the singular values of each module&apos;s change, how many of them carry it, and which layers changed most. An adapter whose effective rank is far below its rank would have done with less.</translation>
        </message>
        <message>
            <source>%1 to %2</source>
            <translation>%1 to %2</translation>
        </message>
        <message>
            <source>above %1</source>
            <translation>above %1</translation>
        </message>
        <message>
            <source>%1 or more</source>
            <translation>%1 or more</translation>
        </message>
        <message>
            <source>%1 at most</source>
            <translation>%1 at most</translation>
        </message>
        <message>
            <source>All settings</source>
            <translation>All settings</translation>
        </message>
        <message>
            <source>Usual</source>
            <translation>Usual</translation>
        </message>
        <message>
            <source>Cost</source>
            <translation>Cost</translation>
        </message>
        <message>
            <source>Default</source>
            <translation>Default</translation>
        </message>
        <message>
            <source>Possible</source>
            <translation>Possible</translation>
        </message>
        <message>
            <source>Unit</source>
            <translation>Unit</translation>
        </message>
        <message>
            <source>Objectives</source>
            <translation>Objectives</translation>
        </message>
        <message>
            <source>Optimizers</source>
            <translation>Optimizers</translation>
        </message>
        <message>
            <source>In a recipe</source>
            <translation>In a recipe</translation>
        </message>
        <message>
            <source>No setting has these words.</source>
            <translation>No setting has these words.</translation>
        </message>
        <message>
            <source>Lab</source>
            <translation>Lab</translation>
        </message>
        <message>
            <source>Ways of pretraining and of joining pictures and words, as cards on a map. A card shows what its batch looks like: which token sees which (choose one with the mouse or the arrow keys), what is noised, what is learned from. It trains for real in a minute or two, on scenes that are made for it, and then shows what it makes of rows that it has never seen.

A second card can stand beside it: both see the same scenes, as many rows each. The model that you had loaded comes back afterwards.</source>
            <translation>Ways of pretraining and of joining pictures and words, as cards on a map. A card shows what its batch looks like: which token sees which (choose one with the mouse or the arrow keys), what is noised, what is learned from. It trains for real in a minute or two, on scenes that are made for it, and then shows what it makes of rows that it has never seen.

A second card can stand beside it: both see the same scenes, as many rows each. The model that you had loaded comes back afterwards.</translation>
        </message>
    </context>
    <context>
        <name>luthier::HelpWindow</name>
        <message>
            <source>Luthier: help</source>
            <translation>Luthier: help</translation>
        </message>
        <message>
            <source>Find a setting</source>
            <translation>Find a setting</translation>
        </message>
        <message>
            <source>Help</source>
            <translation>Help</translation>
        </message>
    </context>
    <context>
        <name>luthier::KeptDesk</name>
        <message>
            <source>Luthier did not end as it should have last time. The settings that stood there are in %1.</source>
            <translation>Luthier did not end as it should have last time. The settings that stood there are in %1.</translation>
        </message>
        <message>
            <source>Open them</source>
            <translation>Open them</translation>
        </message>
        <message>
            <source>Luthier did not end as it should have last time. The settings are as they stood.</source>
            <translation>Luthier did not end as it should have last time. The settings are as they stood.</translation>
        </message>
        <message>
            <source>What it was at is written down in %1; the file stays on this machine.</source>
            <translation>What it was at is written down in %1; the file stays on this machine.</translation>
        </message>
        <message>
            <source>Load %1</source>
            <translation>Load %1</translation>
        </message>
        <message>
            <source>Open the folder</source>
            <translation>Open the folder</translation>
        </message>
        <message numerus="yes">
            <source>%n runs waited in the queue when the window was closed. They wait still, and none is launched until you say Go on.</source>
            <translation>
                <numerusform>%n run waited in the queue when the window was closed. It waits still, and is not launched until you say Go on.</numerusform>
                <numerusform>%n runs waited in the queue when the window was closed. They wait still, and none is launched until you say Go on.</numerusform>
            </translation>
        </message>
        <message>
            <source>Show the queue</source>
            <translation>Show the queue</translation>
        </message>
    </context>
    <context>
        <name>RunNotice</name>
        <message>
            <source>“%1” failed</source>
            <translation>“%1” failed</translation>
        </message>
        <message>
            <source>after %1</source>
            <translation>after %1</translation>
        </message>
        <message>
            <source>step %1, loss %2</source>
            <translation>step %1, loss %2</translation>
        </message>
    </context>
    <context>
        <name>luthier::ShortcutDialog</name>
        <message>
            <source>Keyboard shortcuts</source>
            <translation>Keyboard shortcuts</translation>
        </message>
        <message>
            <source>Keys</source>
            <translation>Keys</translation>
        </message>
        <message>
            <source>What they do</source>
            <translation>What they do</translation>
        </message>
        <message>
            <source>&amp;Close</source>
            <translation>&amp;Close</translation>
        </message>
    </context>
    <context>
        <name>Shortcuts</name>
        <message>
            <source>The Start page</source>
            <translation>The Start page</translation>
        </message>
        <message>
            <source>The Model page</source>
            <translation>The Model page</translation>
        </message>
        <message>
            <source>The Data page</source>
            <translation>The Data page</translation>
        </message>
        <message>
            <source>The Train page</source>
            <translation>The Train page</translation>
        </message>
        <message>
            <source>The Compare page</source>
            <translation>The Compare page</translation>
        </message>
        <message>
            <source>The Runs page</source>
            <translation>The Runs page</translation>
        </message>
        <message>
            <source>The Methods page</source>
            <translation>The Methods page</translation>
        </message>
        <message>
            <source>The Merge page</source>
            <translation>The Merge page</translation>
        </message>
        <message>
            <source>The Ranks page</source>
            <translation>The Ranks page</translation>
        </message>
        <message>
            <source>Open a model folder</source>
            <translation>Open a model folder</translation>
        </message>
        <message>
            <source>Save the recipe</source>
            <translation>Save the recipe</translation>
        </message>
        <message>
            <source>Undo the last change to the settings</source>
            <translation>Undo the last change to the settings</translation>
        </message>
        <message>
            <source>Redo it</source>
            <translation>Redo it</translation>
        </message>
        <message>
            <source>Launch</source>
            <translation>Launch</translation>
        </message>
        <message>
            <source>Pause the run, or go on with it</source>
            <translation>Pause the run, or go on with it</translation>
        </message>
        <message>
            <source>Save a checkpoint now</source>
            <translation>Save a checkpoint now</translation>
        </message>
        <message>
            <source>Help on the setting or the page where you are</source>
            <translation>Help on the setting or the page where you are</translation>
        </message>
        <message>
            <source>This list</source>
            <translation>This list</translation>
        </message>
        <message>
            <source>Larger words</source>
            <translation>Larger words</translation>
        </message>
        <message>
            <source>Smaller words</source>
            <translation>Smaller words</translation>
        </message>
        <message>
            <source>Words of the usual size</source>
            <translation>Words of the usual size</translation>
        </message>
        <message>
            <source>Projector: large words and thick lines</source>
            <translation>Projector: large words and thick lines</translation>
        </message>
        <message>
            <source>Copy the selected text or the rows of a table</source>
            <translation>Copy the selected text or the rows of a table</translation>
        </message>
        <message>
            <source>Take a model out of the list</source>
            <translation>Take a model out of the list</translation>
        </message>
        <message>
            <source>The Lab page</source>
            <translation>The Lab page</translation>
        </message>
    </context>
    <context>
        <name>luthier::StartPage</name>
        <message>
            <source>Load a recipe</source>
            <translation>Load a recipe</translation>
        </message>
        <message>
            <source>Recipes (*.yaml *.yml)</source>
            <translation>Recipes (*.yaml *.yml)</translation>
        </message>
        <message>
            <source>What you load stands here the next time.</source>
            <translation>What you load stands here the next time.</translation>
        </message>
        <message>
            <source>Recipes that you open or save stand here.</source>
            <translation>Recipes that you open or save stand here.</translation>
        </message>
        <message>
            <source>%1 · step %2 of %3</source>
            <translation>%1 · step %2 of %3</translation>
        </message>
        <message>
            <source>Resume</source>
            <translation>Resume</translation>
        </message>
        <message>
            <source>Resume %1</source>
            <translation>Resume %1</translation>
        </message>
        <message>
            <source>Runs stand here once you have trained one.</source>
            <translation>Runs stand here once you have trained one.</translation>
        </message>
        <message>
            <source>Begin here</source>
            <translation>Begin here</translation>
        </message>
        <message>
            <source>Looking at what this machine trains on…</source>
            <translation>Looking at what this machine trains on…</translation>
        </message>
        <message>
            <source>This machine trains on %1 (%2).</source>
            <translation>This machine trains on %1 (%2).</translation>
        </message>
        <message numerus="yes">
            <source>There is no GPU here that Luthier can use: this machine trains on its processor (%n cores, %1 of memory). The tour and the tasks below are made for that. Larger models are slow there; before anything starts, the Train page says whether one fits.</source>
            <translation>
                <numerusform>There is no GPU here that Luthier can use: this machine trains on its processor (%n core, %1 of memory). The tour and the tasks below are made for that. Larger models are slow there; before anything starts, the Train page says whether one fits.</numerusform>
                <numerusform>There is no GPU here that Luthier can use: this machine trains on its processor (%n cores, %1 of memory). The tour and the tasks below are made for that. Larger models are slow there; before anything starts, the Train page says whether one fits.</numerusform>
            </translation>
        </message>
        <message>
            <source>Guided tour</source>
            <translation>Guided tour</translation>
        </message>
        <message>
            <source>A small model learns something new in front of you, and each curve is explained as it moves. It takes two or three minutes and downloads nothing.</source>
            <translation>A small model learns something new in front of you, and each curve is explained as it moves. It takes two or three minutes and downloads nothing.</translation>
        </message>
        <message>
            <source>Start the &amp;tour</source>
            <translation>Start the &amp;tour</translation>
        </message>
        <message>
            <source>Train it</source>
            <translation>Train it</translation>
        </message>
        <message>
            <source>Train it: %1</source>
            <translation>Train it: %1</translation>
        </message>
        <message>
            <source>Loads the teaching model and begins at once</source>
            <translation>Loads the teaching model and begins at once</translation>
        </message>
        <message>
            <source>Only set it up</source>
            <translation>Only set it up</translation>
        </message>
        <message>
            <source>Only set it up: %1</source>
            <translation>Only set it up: %1</translation>
        </message>
        <message>
            <source>Fills in the settings, which you may change before the launch</source>
            <translation>Fills in the settings, which you may change before the launch</translation>
        </message>
        <message>
            <source>Models</source>
            <translation>Models</translation>
        </message>
        <message>
            <source>Recipes</source>
            <translation>Recipes</translation>
        </message>
        <message>
            <source>Runs</source>
            <translation>Runs</translation>
        </message>
        <message>
            <source>Open a &amp;model folder…</source>
            <translation>Open a &amp;model folder…</translation>
        </message>
        <message>
            <source>&amp;Open a recipe…</source>
            <translation>&amp;Open a recipe…</translation>
        </message>
        <message>
            <source>Attach</source>
            <translation>Attach</translation>
        </message>
        <message>
            <source>Attach to %1</source>
            <translation>Attach to %1</translation>
        </message>
        <message>
            <source>Takes the run in hand: its curves from the beginning, and its controls</source>
            <translation>Takes the run in hand: its curves from the beginning, and its controls</translation>
        </message>
        <message>
            <source>still running</source>
            <translation>still running</translation>
        </message>
        <message>
            <source>on %1, to be found</source>
            <translation>on %1, to be found</translation>
        </message>
    </context>
    <context>
        <name>luthier::Tour</name>
        <message>
            <source>A model learns in front of you</source>
            <translation>A model learns in front of you</translation>
        </message>
        <message>
            <source>The teaching model looks at pictures of shapes and answers questions about them in English. In a minute it will answer in Korean: a small adapter learns that, and the model itself stays as it is.</source>
            <translation>The teaching model looks at pictures of shapes and answers questions about them in English. In a minute it will answer in Korean: a small adapter learns that, and the model itself stays as it is.</translation>
        </message>
        <message>
            <source>Begin</source>
            <translation>Begin</translation>
        </message>
        <message>
            <source>The settings</source>
            <translation>The settings</translation>
        </message>
        <message>
            <source>Data, method and training stand here, filled in for this task. Rank says how much the adapter can hold, the learning rate how large its steps are. F1 explains each one. Leave them as they are for now.</source>
            <translation>Data, method and training stand here, filled in for this task. Rank says how much the adapter can hold, the learning rate how large its steps are. F1 explains each one. Leave them as they are for now.</translation>
        </message>
        <message>
            <source>What it will take</source>
            <translation>What it will take</translation>
        </message>
        <message>
            <source>Launch</source>
            <translation>Launch</translation>
        </message>
        <message>
            <source>This button starts the run, and so does F5. A run can be paused, asked something, stopped and resumed; nothing of it is lost.</source>
            <translation>This button starts the run, and so does F5. A run can be paused, asked something, stopped and resumed; nothing of it is lost.</translation>
        </message>
        <message>
            <source>Loss</source>
            <translation>Loss</translation>
        </message>
        <message>
            <source>Memory</source>
            <translation>Memory</translation>
        </message>
        <message>
            <source>What the run takes, part by part, under the dashed line of the forecast. A run that creeps upwards here would be ill; this one stays where it is.</source>
            <translation>What the run takes, part by part, under the dashed line of the forecast. A run that creeps upwards here would be ill; this one stays where it is.</translation>
        </message>
        <message>
            <source>Learning rate</source>
            <translation>Learning rate</translation>
        </message>
        <message>
            <source>Gradient norm</source>
            <translation>Gradient norm</translation>
        </message>
        <message>
            <source>Tokens a second</source>
            <translation>Tokens a second</translation>
        </message>
        <message>
            <source>To the end</source>
            <translation>To the end</translation>
        </message>
        <message>
            <source>Compare</source>
            <translation>Compare</translation>
        </message>
        <message>
            <source>Base and adapter side by side</source>
            <translation>Base and adapter side by side</translation>
        </message>
        <message>
            <source>The same pictures and questions go to the model as it was and to the model with its new adapter. Open samples, then press “Run all”: the first column answers in English, the second in Korean. That is all there is to it; everything else in this program helps to do the same with your own data.</source>
            <translation>The same pictures and questions go to the model as it was and to the model with its new adapter. Open samples, then press “Run all”: the first column answers in English, the second in Korean. That is all there is to it; everything else in this program helps to do the same with your own data.</translation>
        </message>
        <message>
            <source>Done</source>
            <translation>Done</translation>
        </message>
        <message>
            <source>Next</source>
            <translation>Next</translation>
        </message>
        <message>
            <source>Before anything starts it is known what the run will take, part by part: the model&apos;s weights, the adapter, its gradients, the optimizer and what is computed on the way.</source>
            <translation>Before anything starts it is known what the run will take, part by part: the model&apos;s weights, the adapter, its gradients, the optimizer and what is computed on the way.</translation>
        </message>
        <message>
            <source>This one takes %1.</source>
            <translation>This one takes %1.</translation>
        </message>
        <message>
            <source>How surprised the model is by the right answers: the lower, the better it knows them. The faint line is each step, the strong one their mean.</source>
            <translation>How surprised the model is by the right answers: the lower, the better it knows them. The faint line is each step, the strong one their mean.</translation>
        </message>
        <message>
            <source>It begins in a moment.</source>
            <translation>It begins in a moment.</translation>
        </message>
        <message>
            <source>It began at %1 and is %2 at step %3.</source>
            <translation>It began at %1 and is %2 at step %3.</translation>
        </message>
        <message>
            <source>How large a step may be. It rises at first, so that nothing breaks while the adapter is still empty, and then falls along a cosine, so that the end is careful.</source>
            <translation>How large a step may be. It rises at first, so that nothing breaks while the adapter is still empty, and then falls along a cosine, so that the end is careful.</translation>
        </message>
        <message>
            <source>It is %1 now.</source>
            <translation>It is %1 now.</translation>
        </message>
        <message>
            <source>How strongly the answers of one step pull at the adapter. It shrinks as less is left to learn; a leap here is a row that surprises, and what is longer than “Max grad norm” is cut back.</source>
            <translation>How strongly the answers of one step pull at the adapter. It shrinks as less is left to learn; a leap here is a row that surprises, and what is longer than “Max grad norm” is cut back.</translation>
        </message>
        <message>
            <source>How fast it goes: words and parts of pictures that are learned from in a second. It falls when another program wants the machine.</source>
            <translation>How fast it goes: words and parts of pictures that are learned from in a second. It falls when another program wants the machine.</translation>
        </message>
        <message>
            <source>%1 are left.</source>
            <translation>%1 are left.</translation>
        </message>
        <message>
            <source>The run is %1. The tour can be started again at any time.</source>
            <translation>The run is %1. The tour can be started again at any time.</translation>
        </message>
        <message>
            <source>It is done. The adapter lies in %1, as PEFT writes it, and every other tool can read it. Now to see what it changed.</source>
            <translation>It is done. The adapter lies in %1, as PEFT writes it, and every other tool can read it. Now to see what it changed.</translation>
        </message>
        <message>
            <source>The line above says how far the run is. Press Pause if you like: the model stays loaded and answers questions below the curves, and goes on afterwards as if nothing had been. The tour waits for the end.</source>
            <translation>The line above says how far the run is. Press Pause if you like: the model stays loaded and answers questions below the curves, and goes on afterwards as if nothing had been. The tour waits for the end.</translation>
        </message>
    </context>
    <context>
        <name>luthier::TourBubble</name>
        <message>
            <source>End the tour</source>
            <translation>End the tour</translation>
        </message>
        <message>
            <source>Back</source>
            <translation>Back</translation>
        </message>
    </context>
    <context>
        <name>luthier::AnswerInspector</name>
        <message>
            <source>probability</source>
            <translation>probability</translation>
        </message>
        <message>
            <source>divergence from the reference</source>
            <translation>divergence from the reference</translation>
        </message>
        <message>
            <source>What is shown of each token</source>
            <translation>What is shown of each token</translation>
        </message>
        <message>
            <source>Probability: how likely a column holds the token, deep where it does not. Divergence: how far all its probabilities are from the reference's there (KL, in nats).</source>
            <translation>Probability: how likely a column holds the token, deep where it does not. Divergence: how far all its probabilities are from the reference's there (KL, in nats).</translation>
        </message>
        <message>
            <source>Close</source>
            <translation>Close</translation>
        </message>
        <message>
            <source>base</source>
            <translation>base</translation>
        </message>
        <message>
            <source>Sample %1: the expected answer under every column</source>
            <translation>Sample %1: the expected answer under every column</translation>
        </message>
        <message>
            <source>Sample %1: the answer of %2 under every column</source>
            <translation>Sample %1: the answer of %2 under every column</translation>
        </message>
        <message>
            <source>Looking…</source>
            <translation>Looking…</translation>
        </message>
        <message>
            <source>Reading the answer…</source>
            <translation>Reading the answer…</translation>
        </message>
        <message>
            <source>Choose a token: where each column looked when it came to it. Ringed: the first one that a column would have put otherwise.</source>
            <translation>Choose a token: where each column looked when it came to it. Ringed: the first one that a column would have put otherwise.</translation>
        </message>
        <message>
            <source>“%1”: probability %2, divergence %3. Likeliest: “%4”, %5.</source>
            <translation>“%1”: probability %2, divergence %3. Likeliest: “%4”, %5.</translation>
        </message>
        <message>
            <source>log-probability %1 · perplexity %2</source>
            <translation>log-probability %1 · perplexity %2</translation>
        </message>
        <message>
            <source> · mean divergence %1</source>
            <translation> · mean divergence %1</translation>
        </message>
        <message>
            <source>token %1 would be “%2”</source>
            <translation>token %1 would be “%2”</translation>
        </message>
        <message>
            <source>would write the same</source>
            <translation>would write the same</translation>
        </message>
        <message>
            <source>Tokens under %1</source>
            <translation>Tokens under %1</translation>
        </message>
    </context>
    <context>
        <name>luthier::AnswerModel</name>
        <message>
            <source>question</source>
            <translation>question</translation>
        </message>
        <message>
            <source>expected</source>
            <translation>expected</translation>
        </message>
        <message>
            <source>base</source>
            <translation>base</translation>
        </message>
    </context>
    <context>
        <name>luthier::AnswerTable</name>
        <message>
            <source>Which samples</source>
            <translation>Which samples</translation>
        </message>
        <message>
            <source>The measure beside each answer</source>
            <translation>The measure beside each answer</translation>
        </message>
        <message>
            <source>The measure beside each answer; a click on its head sorts by it</source>
            <translation>The measure beside each answer; a click on its head sorts by it</translation>
        </message>
        <message>
            <source>Search questions and answers</source>
            <translation>Search questions and answers</translation>
        </message>
        <message>
            <source>All samples and answers</source>
            <translation>All samples and answers</translation>
        </message>
        <message>
            <source>all samples</source>
            <translation>all samples</translation>
        </message>
        <message>
            <source>columns differ</source>
            <translation>columns differ</translation>
        </message>
        <message>
            <source>any is wrong</source>
            <translation>any is wrong</translation>
        </message>
        <message>
            <source>not all answered</source>
            <translation>not all answered</translation>
        </message>
        <message>
            <source>only %1 is wrong</source>
            <translation>only %1 is wrong</translation>
        </message>
        <message>
            <source>base</source>
            <translation>base</translation>
        </message>
        <message>
            <source>%1 of %2 samples</source>
            <translation>%1 of %2 samples</translation>
        </message>
    </context>
    <context>
        <name>luthier::AttentionView</name>
        <message>
            <source>Whose attention</source>
            <translation>Whose attention</translation>
        </message>
        <message>
            <source>Less whose attention</source>
            <translation>Less whose attention</translation>
        </message>
        <message>
            <source>What the column looks at more (yellow) and less (blue) than another one</source>
            <translation>What the column looks at more (yellow) and less (blue) than another one</translation>
        </message>
        <message>
            <source>Layer</source>
            <translation>Layer</translation>
        </message>
        <message>
            <source>Attention head</source>
            <translation>Attention head</translation>
        </message>
        <message>
            <source>Which picture</source>
            <translation>Which picture</translation>
        </message>
        <message>
            <source>Attention over the picture</source>
            <translation>Attention over the picture</translation>
        </message>
        <message>
            <source>alone</source>
            <translation>alone</translation>
        </message>
        <message>
            <source>all layers</source>
            <translation>all layers</translation>
        </message>
        <message>
            <source>all heads</source>
            <translation>all heads</translation>
        </message>
        <message>
            <source>minus %1</source>
            <translation>minus %1</translation>
        </message>
        <message>
            <source>layer %1</source>
            <translation>layer %1</translation>
        </message>
        <message>
            <source>head %1</source>
            <translation>head %1</translation>
        </message>
        <message>
            <source>picture %1 of %2</source>
            <translation>picture %1 of %2</translation>
        </message>
        <message>
            <source>The sample has no picture.</source>
            <translation>The sample has no picture.</translation>
        </message>
        <message>
            <source>“%1”: %2 of the attention on the picture, %3 of the other's. Yellow: more, blue: less.</source>
            <translation>“%1”: %2 of the attention on the picture, %3 of the other's. Yellow: more, blue: less.</translation>
        </message>
        <message>
            <source>“%1”: %2 of the attention on the picture.</source>
            <translation>“%1”: %2 of the attention on the picture.</translation>
        </message>
        <message>
            <source>It shows what was mixed in, not why an answer came out.</source>
            <translation>It shows what was mixed in, not why an answer came out.</translation>
        </message>
    </context>
    <context>
        <name>luthier::BlindView</name>
        <message>
            <source>1 to 9: this answer is the best · 0: none is better · ← →: another sample · Enter: show whose they are</source>
            <translation>1 to 9: this answer is the best · 0: none is better · ← →: another sample · Enter: show whose they are</translation>
        </message>
        <message>
            <source>None is &amp;better</source>
            <translation>None is &amp;better</translation>
        </message>
        <message>
            <source>&amp;Back</source>
            <translation>&amp;Back</translation>
        </message>
        <message>
            <source>&amp;Skip</source>
            <translation>&amp;Skip</translation>
        </message>
        <message>
            <source>Judge &amp;anew</source>
            <translation>Judge &amp;anew</translation>
        </message>
        <message>
            <source>Show &amp;whose they are</source>
            <translation>Show &amp;whose they are</translation>
        </message>
        <message>
            <source>&amp;Close</source>
            <translation>&amp;Close</translation>
        </message>
        <message>
            <source>Win rates</source>
            <translation>Win rates</translation>
        </message>
        <message>
            <source>column</source>
            <translation>column</translation>
        </message>
        <message>
            <source>win rate</source>
            <translation>win rate</translation>
        </message>
        <message>
            <source>95 % interval (Wilson)</source>
            <translation>95 % interval (Wilson)</translation>
        </message>
        <message>
            <source>wins of votes</source>
            <translation>wins of votes</translation>
        </message>
        <message>
            <source>There is nothing to judge yet: two columns or more must have answered.</source>
            <translation>There is nothing to judge yet: two columns or more must have answered.</translation>
        </message>
        <message>
            <source>Sample %1 of %2 · %3 judged</source>
            <translation>Sample %1 of %2 · %3 judged</translation>
        </message>
        <message>
            <source>Answer %1</source>
            <translation>Answer %1</translation>
        </message>
        <message>
            <source>✓ %1 is best (%2)</source>
            <translation>✓ %1 is best (%2)</translation>
        </message>
        <message>
            <source>%1 is best (%2)</source>
            <translation>%1 is best (%2)</translation>
        </message>
        <message>
            <source>Nothing was judged yet.</source>
            <translation>Nothing was judged yet.</translation>
        </message>
        <message numerus="yes">
            <source>%n samples judged. A tie counts as an equal share for each.</source>
            <translation>
                <numerusform>%n sample judged. A tie counts as an equal share for each.</numerusform>
                <numerusform>%n samples judged. A tie counts as an equal share for each.</numerusform>
            </translation>
        </message>
        <message>
            <source>base</source>
            <translation>base</translation>
        </message>
        <message>
            <source>%1 to %2</source>
            <translation>%1 to %2</translation>
        </message>
        <message>
            <source>%1 of %2</source>
            <translation>%1 of %2</translation>
        </message>
    </context>
    <context>
        <name>luthier::KeptMenu</name>
        <message>
            <source>Keep with the run</source>
            <translation>Keep with the run</translation>
        </message>
        <message>
            <source>Open a kept comparison…</source>
            <translation>Open a kept comparison…</translation>
        </message>
        <message>
            <source>Open a kept comparison</source>
            <translation>Open a kept comparison</translation>
        </message>
    </context>
    <context>
        <name>luthier::OwnSample</name>
        <message>
            <source>&amp;Picture…</source>
            <translation>&amp;Picture…</translation>
        </message>
        <message>
            <source>Pas&amp;te</source>
            <translation>Pas&amp;te</translation>
        </message>
        <message>
            <source>The picture in the clipboard (Ctrl+V)</source>
            <translation>The picture in the clipboard (Ctrl+V)</translation>
        </message>
        <message>
            <source>No picture</source>
            <translation>No picture</translation>
        </message>
        <message>
            <source>Your question (drop a picture anywhere on the page)</source>
            <translation>Your question (drop a picture anywhere on the page)</translation>
        </message>
        <message>
            <source>Your question</source>
            <translation>Your question</translation>
        </message>
        <message>
            <source>Expected answer, if any</source>
            <translation>Expected answer, if any</translation>
        </message>
        <message>
            <source>The expected answer to your question</source>
            <translation>The expected answer to your question</translation>
        </message>
        <message>
            <source>As&amp;k</source>
            <translation>As&amp;k</translation>
        </message>
        <message>
            <source>Adds it to the samples and asks every column</source>
            <translation>Adds it to the samples and asks every column</translation>
        </message>
        <message>
            <source>Choose a picture</source>
            <translation>Choose a picture</translation>
        </message>
        <message>
            <source>Pictures (*.png *.jpg *.jpeg *.webp *.bmp *.gif *.tif *.tiff)</source>
            <translation>Pictures (*.png *.jpg *.jpeg *.webp *.bmp *.gif *.tif *.tiff)</translation>
        </message>
        <message>
            <source>your own</source>
            <translation>your own</translation>
        </message>
    </context>
    <context>
        <name>luthier::ColumnsDialog</name>
        <message>
            <source>Columns of the data</source>
            <translation>Columns of the data</translation>
        </message>
        <message>
            <source>What each column is. Others stay beside the row, for rewards and courses that name them.</source>
            <translation>What each column is. Others stay beside the row, for rewards and courses that name them.</translation>
        </message>
        <message>
            <source>Column</source>
            <translation>Column</translation>
        </message>
        <message>
            <source>Holds</source>
            <translation>Holds</translation>
        </message>
        <message>
            <source>For example</source>
            <translation>For example</translation>
        </message>
        <message>
            <source>Is</source>
            <translation>Is</translation>
        </message>
        <message>
            <source>Columns</source>
            <translation>Columns</translation>
        </message>
        <message>
            <source>&amp;Question of all rows</source>
            <translation>&amp;Question of all rows</translation>
        </message>
        <message>
            <source>Describe the picture. – or {column} for a column&apos;s text</source>
            <translation>Describe the picture. – or {column} for a column&apos;s text</translation>
        </message>
        <message>
            <source>Question of all rows</source>
            <translation>Question of all rows</translation>
        </message>
        <message>
            <source>&amp;Answer of all rows</source>
            <translation>&amp;Answer of all rows</translation>
        </message>
        <message>
            <source>{column} for a column&apos;s text; empty: the column that is the answer</source>
            <translation>{column} for a column&apos;s text; empty: the column that is the answer</translation>
        </message>
        <message>
            <source>Answer of all rows</source>
            <translation>Answer of all rows</translation>
        </message>
        <message>
            <source>&amp;Guess</source>
            <translation>&amp;Guess</translation>
        </message>
        <message>
            <source>As the rows &amp;are</source>
            <translation>As the rows &amp;are</translation>
        </message>
        <message>
            <source>&amp;Use these columns</source>
            <translation>&amp;Use these columns</translation>
        </message>
        <message>
            <source>&amp;Close</source>
            <translation>&amp;Close</translation>
        </message>
        <message>
            <source>What %1 is</source>
            <translation>What %1 is</translation>
        </message>
        <message>
            <source>The first row cannot be read so: %1</source>
            <translation>The first row cannot be read so: %1</translation>
        </message>
        <message>
            <source>The first row is read as:</source>
            <translation>The first row is read as:</translation>
        </message>
    </context>
    <context>
        <name>luthier::CopyDialog</name>
        <message>
            <source>Write a copy of the rows</source>
            <translation>Write a copy of the rows</translation>
        </message>
        <message>
            <source>The original stays as it is. Pictures stay where they are; the copy leads to them.</source>
            <translation>The original stays as it is. Pictures stay where they are; the copy leads to them.</translation>
        </message>
        <message>
            <source>&amp;File</source>
            <translation>&amp;File</translation>
        </message>
        <message>
            <source>Unusable rows</source>
            <translation>Unusable rows</translation>
        </message>
        <message>
            <source>Leave them out</source>
            <translation>Leave them out</translation>
        </message>
        <message>
            <source>Rows</source>
            <translation>Rows</translation>
        </message>
        <message>
            <source>Only those that are shown</source>
            <translation>Only those that are shown</translation>
        </message>
        <message>
            <source>At &amp;most</source>
            <translation>At &amp;most</translation>
        </message>
        <message>
            <source>So many rows are drawn by the seed; 0: all</source>
            <translation>So many rows are drawn by the seed; 0: all</translation>
        </message>
        <message>
            <source>all rows</source>
            <translation>all rows</translation>
        </message>
        <message>
            <source>Validation &amp;share</source>
            <translation>Validation &amp;share</translation>
        </message>
        <message>
            <source>5 to 20 % is usual; 0: the rows are not parted</source>
            <translation>5 to 20 % is usual; 0: the rows are not parted</translation>
        </message>
        <message>
            <source>The same share of &amp;each</source>
            <translation>The same share of &amp;each</translation>
        </message>
        <message>
            <source>A column: of each of its values that share goes to validation</source>
            <translation>A column: of each of its values that share goes to validation</translation>
        </message>
        <message>
            <source>File for &amp;validation</source>
            <translation>File for &amp;validation</translation>
        </message>
        <message>
            <source>Seed</source>
            <translation>Seed</translation>
        </message>
        <message>
            <source>Another seed draws other rows</source>
            <translation>Another seed draws other rows</translation>
        </message>
        <message>
            <source>F&amp;orm</source>
            <translation>F&amp;orm</translation>
        </message>
        <message>
            <source>As they are written</source>
            <translation>As they are written</translation>
        </message>
        <message>
            <source>messages (role, content)</source>
            <translation>messages (role, content)</translation>
        </message>
        <message>
            <source>conversations (from, value)</source>
            <translation>conversations (from, value)</translation>
        </message>
        <message>
            <source>Afterwards</source>
            <translation>Afterwards</translation>
        </message>
        <message>
            <source>Go on with the copy</source>
            <translation>Go on with the copy</translation>
        </message>
        <message>
            <source>&amp;Write</source>
            <translation>&amp;Write</translation>
        </message>
        <message>
            <source>&amp;Close</source>
            <translation>&amp;Close</translation>
        </message>
        <message>
            <source>– (whichever)</source>
            <translation>– (whichever)</translation>
        </message>
        <message>
            <source>%1 rows dropped by hand, %2 put right, %3 unusable.</source>
            <translation>%1 rows dropped by hand, %2 put right, %3 unusable.</translation>
        </message>
        <message>
            <source>Writing rows</source>
            <translation>Writing rows</translation>
        </message>
        <message>
            <source>Variants of pic&amp;tures</source>
            <translation>Variants of pic&amp;tures</translation>
        </message>
        <message>
            <source>So often each row with pictures comes once more, its pictures lighter or darker, of other contrast, cut at the edges; 0: not at all. Rows for validation have none.</source>
            <translation>So often each row with pictures comes once more, its pictures lighter or darker, of other contrast, cut at the edges; 0: not at all. Rows for validation have none.</translation>
        </message>
        <message>
            <source>none</source>
            <translation>none</translation>
        </message>
    </context>
    <context>
        <name>luthier::HistogramView</name>
        <message>
            <source>%1: mean %2, median %3, from %4 to %5</source>
            <translation>%1: mean %2, median %3, from %4 to %5</translation>
        </message>
        <message>
            <source>%1 to %2: %3</source>
            <translation>%1 to %2: %3</translation>
        </message>
        <message>
            <source>none</source>
            <translation>none</translation>
        </message>
        <message>
            <source>median %1 · 95 % below %2</source>
            <translation>median %1 · 95 % below %2</translation>
        </message>
    </context>
    <context>
        <name>luthier::RowTools</name>
        <message>
            <source>Search the rows, or a column: label=cat, score&gt;0.5</source>
            <translation>Search the rows, or a column: label=cat, score&gt;0.5</translation>
        </message>
        <message>
            <source>Search the rows</source>
            <translation>Search the rows</translation>
        </message>
        <message>
            <source>O&amp;nly findings</source>
            <translation>O&amp;nly findings</translation>
        </message>
        <message>
            <source>In their order</source>
            <translation>In their order</translation>
        </message>
        <message>
            <source>Longest first</source>
            <translation>Longest first</translation>
        </message>
        <message>
            <source>Shortest first</source>
            <translation>Shortest first</translation>
        </message>
        <message>
            <source>Findings first</source>
            <translation>Findings first</translation>
        </message>
        <message>
            <source>Order of the rows</source>
            <translation>Order of the rows</translation>
        </message>
        <message>
            <source>&amp;Tools</source>
            <translation>&amp;Tools</translation>
        </message>
        <message>
            <source>What is done with all rows</source>
            <translation>What is done with all rows</translation>
        </message>
        <message>
            <source>&amp;Columns…</source>
            <translation>&amp;Columns…</translation>
        </message>
        <message>
            <source>&amp;Statistics</source>
            <translation>&amp;Statistics</translation>
        </message>
        <message>
            <source>&amp;Near-duplicates</source>
            <translation>&amp;Near-duplicates</translation>
        </message>
        <message>
            <source>S&amp;plit for validation…</source>
            <translation>S&amp;plit for validation…</translation>
        </message>
        <message>
            <source>Write a cleaned cop&amp;y…</source>
            <translation>Write a cleaned cop&amp;y…</translation>
        </message>
        <message>
            <source>Stop what is being done</source>
            <translation>Stop what is being done</translation>
        </message>
        <message>
            <source>Looking at columns</source>
            <translation>Looking at columns</translation>
        </message>
        <message>
            <source>Describe the picture.</source>
            <translation>Describe the picture.</translation>
        </message>
        <message>
            <source>Counting</source>
            <translation>Counting</translation>
        </message>
        <message>
            <source>Comparing rows</source>
            <translation>Comparing rows</translation>
        </message>
        <message>
            <source>No row is nearly another one.</source>
            <translation>No row is nearly another one.</translation>
        </message>
        <message>
            <source>Searching</source>
            <translation>Searching</translation>
        </message>
        <message>
            <source>Measuring rows</source>
            <translation>Measuring rows</translation>
        </message>
        <message>
            <source>Putting rows right</source>
            <translation>Putting rows right</translation>
        </message>
        <message numerus="yes">
            <source>%n rows are nearly an earlier one.</source>
            <translation>
                <numerusform>%n row is nearly an earlier one.</numerusform>
                <numerusform>%n rows are nearly an earlier one.</numerusform>
            </translation>
        </message>
        <message numerus="yes">
            <source>%n rows could not be put right by themselves.</source>
            <translation>
                <numerusform>%n row could not be put right by itself.</numerusform>
                <numerusform>%n rows could not be put right by themselves.</numerusform>
            </translation>
        </message>
    </context>
    <context>
        <name>luthier::StatisticsDialog</name>
        <message>
            <source>Statistics of the rows</source>
            <translation>Statistics of the rows</translation>
        </message>
        <message>
            <source>&amp;Close</source>
            <translation>&amp;Close</translation>
        </message>
        <message>
            <source>The most frequent answers</source>
            <translation>The most frequent answers</translation>
        </message>
        <message>
            <source>Rows</source>
            <translation>Rows</translation>
        </message>
        <message>
            <source>Answer</source>
            <translation>Answer</translation>
        </message>
        <message>
            <source>%1 rows, %2 of them unreadable. %3 rows have pictures, %4 in all. %5 different answers.</source>
            <translation>%1 rows, %2 of them unreadable. %3 rows have pictures, %4 in all. %5 different answers.</translation>
        </message>
        <message>
            <source>Tokens of a row</source>
            <translation>Tokens of a row</translation>
        </message>
        <message>
            <source>Learned tokens of a row</source>
            <translation>Learned tokens of a row</translation>
        </message>
        <message>
            <source>Words of an answer</source>
            <translation>Words of an answer</translation>
        </message>
        <message>
            <source>Pictures of a row</source>
            <translation>Pictures of a row</translation>
        </message>
        <message>
            <source>Pictures&apos; width in pixels</source>
            <translation>Pictures&apos; width in pixels</translation>
        </message>
        <message>
            <source>Pictures&apos; height in pixels</source>
            <translation>Pictures&apos; height in pixels</translation>
        </message>
    </context>
    <context>
        <name>columns</name>
        <message>
            <source>–</source>
            <translation>–</translation>
        </message>
        <message>
            <source>Picture</source>
            <translation>Picture</translation>
        </message>
        <message>
            <source>Pictures (a list)</source>
            <translation>Pictures (a list)</translation>
        </message>
        <message>
            <source>Film</source>
            <translation>Film</translation>
        </message>
        <message>
            <source>Question</source>
            <translation>Question</translation>
        </message>
        <message>
            <source>Answer</source>
            <translation>Answer</translation>
        </message>
        <message>
            <source>Messages</source>
            <translation>Messages</translation>
        </message>
        <message>
            <source>Conversation (from, value)</source>
            <translation>Conversation (from, value)</translation>
        </message>
        <message>
            <source>System prompt</source>
            <translation>System prompt</translation>
        </message>
        <message>
            <source>Chosen answer</source>
            <translation>Chosen answer</translation>
        </message>
        <message>
            <source>Rejected answer</source>
            <translation>Rejected answer</translation>
        </message>
        <message>
            <source>Good or bad</source>
            <translation>Good or bad</translation>
        </message>
        <message>
            <source>Plain text</source>
            <translation>Plain text</translation>
        </message>
        <message>
            <source>Earlier turns</source>
            <translation>Earlier turns</translation>
        </message>
        <message>
            <source>Boxes</source>
            <translation>Boxes</translation>
        </message>
        <message>
            <source>Tools</source>
            <translation>Tools</translation>
        </message>
        <message>
            <source>picture</source>
            <translation>picture</translation>
        </message>
        <message>
            <source>text</source>
            <translation>text</translation>
        </message>
        <message>
            <source>number</source>
            <translation>number</translation>
        </message>
        <message>
            <source>list</source>
            <translation>list</translation>
        </message>
        <message>
            <source>messages</source>
            <translation>messages</translation>
        </message>
        <message>
            <source>object</source>
            <translation>object</translation>
        </message>
        <message>
            <source>empty</source>
            <translation>empty</translation>
        </message>
    </context>
    <context>
        <name>luthier::ExportDialog</name>
        <message>
            <source>Export</source>
            <translation>Export</translation>
        </message>
        <message>
            <source>&amp;GGUF, for llama.cpp and Ollama</source>
            <translation>&amp;GGUF, for llama.cpp and Ollama</translation>
        </message>
        <message>
            <source>The language model, its picture half (mmproj) and a Modelfile; an adapter is merged into its base first</source>
            <translation>The language model, its picture half (mmproj) and a Modelfile; an adapter is merged into its base first</translation>
        </message>
        <message>
            <source>A &amp;checkpoint by itself (safetensors)</source>
            <translation>A &amp;checkpoint by itself (safetensors)</translation>
        </message>
        <message>
            <source>As transformers and others load it; an adapter is merged into its base</source>
            <translation>As transformers and others load it; an adapter is merged into its base</translation>
        </message>
        <message>
            <source>The &amp;adapter alone (PEFT folder)</source>
            <translation>The &amp;adapter alone (PEFT folder)</translation>
        </message>
        <message>
            <source>A few megabytes; whoever uses it needs the base, too</source>
            <translation>A few megabytes; whoever uses it needs the base, too</translation>
        </message>
        <message>
            <source>&amp;Weights as</source>
            <translation>&amp;Weights as</translation>
        </message>
        <message>
            <source>Weights as</source>
            <translation>Weights as</translation>
        </message>
        <message>
            <source>f16: half precision, nothing lost that can be seen</source>
            <translation>f16: half precision, nothing lost that can be seen</translation>
        </message>
        <message>
            <source>q8_0: eight bits, half the size</source>
            <translation>q8_0: eight bits, half the size</translation>
        </message>
        <message>
            <source>f32: twice the size, to the bit</source>
            <translation>f32: twice the size, to the bit</translation>
        </message>
        <message>
            <source>&amp;System prompt</source>
            <translation>&amp;System prompt</translation>
        </message>
        <message>
            <source>System prompt</source>
            <translation>System prompt</translation>
        </message>
        <message>
            <source>For Ollama; else the chat template's own</source>
            <translation>For Ollama; else the chat template's own</translation>
        </message>
        <message>
            <source>&amp;Base</source>
            <translation>&amp;Base</translation>
        </message>
        <message>
            <source>Base</source>
            <translation>Base</translation>
        </message>
        <message>
            <source>The model that it was trained on</source>
            <translation>The model that it was trained on</translation>
        </message>
        <message>
            <source>Fo&amp;lder</source>
            <translation>Fo&amp;lder</translation>
        </message>
        <message>
            <source>The folder to write</source>
            <translation>The folder to write</translation>
        </message>
        <message>
            <source>Choose the folder</source>
            <translation>Choose the folder</translation>
        </message>
        <message>
            <source>Progress of the export</source>
            <translation>Progress of the export</translation>
        </message>
        <message>
            <source>Close</source>
            <translation>Close</translation>
        </message>
        <message>
            <source>Export “%1”</source>
            <translation>Export “%1”</translation>
        </message>
        <message>
            <source>A new or empty folder</source>
            <translation>A new or empty folder</translation>
        </message>
        <message>
            <source>The base's folder</source>
            <translation>The base's folder</translation>
        </message>
        <message>
            <source>Written to %1: %2.</source>
            <translation>Written to %1: %2.</translation>
        </message>
        <message>
            <source>Cancelled: nothing was written.</source>
            <translation>Cancelled: nothing was written.</translation>
        </message>
        <message>
            <source>Cancel the export</source>
            <translation>Cancel the export</translation>
        </message>
        <message>
            <source>Not now: %1</source>
            <translation>Not now: %1</translation>
        </message>
    </context>
    <context>
        <name>luthier::ChatWindow</name>
        <message>
            <source>Chat</source>
            <translation>Chat</translation>
        </message>
        <message>
            <source>&amp;With</source>
            <translation>&amp;With</translation>
        </message>
        <message>
            <source>Who answers</source>
            <translation>Who answers</translation>
        </message>
        <message>
            <source>Tokens</source>
            <translation>Tokens</translation>
        </message>
        <message>
            <source>Tokens of an answer, at most</source>
            <translation>Tokens of an answer, at most</translation>
        </message>
        <message>
            <source>Temperature</source>
            <translation>Temperature</translation>
        </message>
        <message>
            <source>0: always the likeliest token; about 0.7 is usual for talking</source>
            <translation>0: always the likeliest token; about 0.7 is usual for talking</translation>
        </message>
        <message>
            <source>&amp;New chat</source>
            <translation>&amp;New chat</translation>
        </message>
        <message>
            <source>System prompt, if there is to be one</source>
            <translation>System prompt, if there is to be one</translation>
        </message>
        <message>
            <source>System prompt</source>
            <translation>System prompt</translation>
        </message>
        <message>
            <source>The conversation</source>
            <translation>The conversation</translation>
        </message>
        <message>
            <source>Say something below. Pictures can be dropped here.</source>
            <translation>Say something below. Pictures can be dropped here.</translation>
        </message>
        <message>
            <source>Your turn</source>
            <translation>Your turn</translation>
        </message>
        <message>
            <source>Answer the last turn again</source>
            <translation>Answer the last turn again</translation>
        </message>
        <message>
            <source>the base</source>
            <translation>the base</translation>
        </message>
        <message>
            <source>in training</source>
            <translation>in training</translation>
        </message>
        <message>
            <source>Choose a picture</source>
            <translation>Choose a picture</translation>
        </message>
        <message>
            <source>Pictures (*.png *.jpg *.jpeg *.webp *.gif *.bmp *.tif *.tiff)</source>
            <translation>Pictures (*.png *.jpg *.jpeg *.webp *.gif *.bmp *.tif *.tiff)</translation>
        </message>
        <message>
            <source>Add a picture</source>
            <translation>Add a picture</translation>
        </message>
        <message>
            <source>Leave the picture out</source>
            <translation>Leave the picture out</translation>
        </message>
        <message>
            <source>Stopped before the first word.</source>
            <translation>Stopped before the first word.</translation>
        </message>
        <message>
            <source>you</source>
            <translation>you</translation>
        </message>
        <message>
            <source>cut off at the most tokens</source>
            <translation>cut off at the most tokens</translation>
        </message>
        <message>
            <source>stopped</source>
            <translation>stopped</translation>
        </message>
        <message>
            <source>Your turn…</source>
            <translation>Your turn…</translation>
        </message>
        <message>
            <source>A model must be loaded first</source>
            <translation>A model must be loaded first</translation>
        </message>
        <message>
            <source>&amp;Stop</source>
            <translation>&amp;Stop</translation>
        </message>
        <message>
            <source>&amp;Send</source>
            <translation>&amp;Send</translation>
        </message>
    </context>
    <context>
        <name>luthier::InspectWindow</name>
        <message>
            <source>A row as the model gets it</source>
            <translation>A row as the model gets it</translation>
        </message>
        <message>
            <source>&amp;Row</source>
            <translation>&amp;Row</translation>
        </message>
        <message>
            <source>Row</source>
            <translation>Row</translation>
        </message>
        <message>
            <source>&amp;Patches</source>
            <translation>&amp;Patches</translation>
        </message>
        <message>
            <source>The grid of patches that the vision tower cuts a picture into</source>
            <translation>The grid of patches that the vision tower cuts a picture into</translation>
        </message>
        <message>
            <source>P&amp;ositions</source>
            <translation>P&amp;ositions</translation>
        </message>
        <message>
            <source>Under each token its place: one number, or time, row and column where the model turns by three axes</source>
            <translation>Under each token its place: one number, or time, row and column where the model turns by three axes</translation>
        </message>
        <message>
            <source>Colour by &amp;loss</source>
            <translation>Colour by &amp;loss</translation>
        </message>
        <message>
            <source>&amp;Measure the losses</source>
            <translation>&amp;Measure the losses</translation>
        </message>
        <message>
            <source>The tokens</source>
            <translation>The tokens</translation>
        </message>
        <message>
            <source>Reading the row…</source>
            <translation>Reading the row…</translation>
        </message>
        <message>
            <source>Mean loss of %1 tokens: %2</source>
            <translation>Mean loss of %1 tokens: %2</translation>
        </message>
        <message>
            <source>; before: %1</source>
            <translation>; before: %1</translation>
        </message>
        <message>
            <source>(by the adapter in training, step %1)</source>
            <translation>(by the adapter in training, step %1)</translation>
        </message>
        <message numerus="yes">
            <source>%1: %n tokens</source>
            <translation>
                <numerusform>%1: %n token</numerusform>
                <numerusform>%1: %n tokens</numerusform>
            </translation>
        </message>
        <message>
            <source>%1 × %2 in its file</source>
            <translation>%1 × %2 in its file</translation>
        </message>
        <message numerus="yes">
            <source>%n frames</source>
            <translation>
                <numerusform>%n frame</numerusform>
                <numerusform>%n frames</numerusform>
            </translation>
        </message>
        <message>
            <source>%1, frame %2</source>
            <translation>%1, frame %2</translation>
        </message>
        <message>
            <source>%1 × %2 pixels</source>
            <translation>%1 × %2 pixels</translation>
        </message>
        <message>
            <source>, %1 × %2 patches of %3</source>
            <translation>, %1 × %2 patches of %3</translation>
        </message>
        <message>
            <source>The row has no picture.</source>
            <translation>The row has no picture.</translation>
        </message>
        <message numerus="yes">
            <source>picture %1: %n tokens</source>
            <translation>
                <numerusform>picture %1: %n token</numerusform>
                <numerusform>picture %1: %n tokens</numerusform>
            </translation>
        </message>
        <message numerus="yes">
            <source>%n tokens cut off by the context length</source>
            <translation>
                <numerusform>%n token cut off by the context length</numerusform>
                <numerusform>%n tokens cut off by the context length</numerusform>
            </translation>
        </message>
        <message>
            <source>loss 0</source>
            <translation>loss 0</translation>
        </message>
        <message>
            <source>loss %1</source>
            <translation>loss %1</translation>
        </message>
        <message>
            <source>learned (underlined)</source>
            <translation>learned (underlined)</translation>
        </message>
        <message>
            <source>masked</source>
            <translation>masked</translation>
        </message>
        <message>
            <source>picture</source>
            <translation>picture</translation>
        </message>
        <message>
            <source>cut off</source>
            <translation>cut off</translation>
        </message>
        <message>
            <source>token %1</source>
            <translation>token %1</translation>
        </message>
        <message>
            <source>id %1</source>
            <translation>id %1</translation>
        </message>
        <message>
            <source>learned</source>
            <translation>learned</translation>
        </message>
        <message>
            <source>time, row, column: %1</source>
            <translation>time, row, column: %1</translation>
        </message>
        <message>
            <source>position %1</source>
            <translation>position %1</translation>
        </message>
        <message>
            <source>loss %1, probability %2</source>
            <translation>loss %1, probability %2</translation>
        </message>
        <message>
            <source>loss before: %1</source>
            <translation>loss before: %1</translation>
        </message>
        <message>
            <source>tokens %1 to %2 stand for picture %3, marked beside</source>
            <translation>tokens %1 to %2 stand for picture %3, marked beside</translation>
        </message>
        <message>
            <source>What each learned token costs by the loaded model, and by the adapter while it trains: measure again after a step to see what it changed</source>
            <translation>What each learned token costs by the loaded model, and by the adapter while it trains: measure again after a step to see what it changed</translation>
        </message>
        <message>
            <source>A model must be loaded first</source>
            <translation>A model must be loaded first</translation>
        </message>
    </context>
    <context>
        <name>luthier::FrameView</name>
        <message>
            <source>pixel %1, %2: %3 %4 %5</source>
            <translation>pixel %1, %2: %3 %4 %5</translation>
        </message>
        <message>
            <source>patch %1 in row %2</source>
            <translation>patch %1 in row %2</translation>
        </message>
    </context>
    <context>
        <name>luthier::MatrixView</name>
        <message>
            <source>%1: %2 by %3, norm %4</source>
            <translation>%1: %2 by %3, norm %4</translation>
        </message>
        <message>
            <source>%1 × %2 · norm %3</source>
            <translation>%1 × %2 · norm %3</translation>
        </message>
        <message>
            <source>row %1, column %2: %3</source>
            <translation>row %1, column %2: %3</translation>
        </message>
    </context>
    <context>
        <name>luthier::StepWindow</name>
        <message>
            <source>One step, slowly</source>
            <translation>One step, slowly</translation>
        </message>
        <message>
            <source>&amp;Row</source>
            <translation>&amp;Row</translation>
        </message>
        <message>
            <source>Row</source>
            <translation>Row</translation>
        </message>
        <message>
            <source>Steps &amp;before</source>
            <translation>Steps &amp;before</translation>
        </message>
        <message>
            <source>Steps before</source>
            <translation>Steps before</translation>
        </message>
        <message>
            <source>Taken on the row before the one that is shown: in the very first step B is zero, and so A gets no gradient</source>
            <translation>Taken on the row before the one that is shown: in the very first step B is zero, and so A gets no gradient</translation>
        </message>
        <message>
            <source>&amp;Module</source>
            <translation>&amp;Module</translation>
        </message>
        <message>
            <source>Module</source>
            <translation>Module</translation>
        </message>
        <message>
            <source>&amp;Take the step</source>
            <translation>&amp;Take the step</translation>
        </message>
        <message>
            <source>◀ Back</source>
            <translation>◀ Back</translation>
        </message>
        <message>
            <source>On ▶</source>
            <translation>On ▶</translation>
        </message>
        <message>
            <source>1  Before</source>
            <translation>1  Before</translation>
        </message>
        <message>
            <source>2  Backward</source>
            <translation>2  Backward</translation>
        </message>
        <message>
            <source>3  Update</source>
            <translation>3  Update</translation>
        </message>
        <message>
            <source>4  After</source>
            <translation>4  After</translation>
        </message>
        <message>
            <source>Taking the step…</source>
            <translation>Taking the step…</translation>
        </message>
        <message>
            <source>The base's weight W stays as it is. Beside it hang A and B, whose product times %1 is added to it: ΔW = %1 · B · A. B starts at zero, so that the first step starts from the base's own answers. The row's loss is %2.</source>
            <translation>The base's weight W stays as it is. Beside it hang A and B, whose product times %1 is added to it: ΔW = %1 · B · A. B starts at zero, so that the first step starts from the base's own answers. The row's loss is %2.</translation>
        </message>
        <message>
            <source>The loss flows back and leaves a gradient for each number of A and B, and none for W. All gradients together have the norm %1.</source>
            <translation>The loss flows back and leaves a gradient for each number of A and B, and none for W. All gradients together have the norm %1.</translation>
        </message>
        <message>
            <source>A's is zero, for B still is: what A changes does not come through.</source>
            <translation>A's is zero, for B still is: what A changes does not come through.</translation>
        </message>
        <message>
            <source>They are scaled down to %1 (max_grad_norm).</source>
            <translation>They are scaled down to %1 (max_grad_norm).</translation>
        </message>
        <message>
            <source>%1 moves A and B against their gradients by the rate %2. What it keeps of each number's gradients is its state, which stands in memory from the first step on.</source>
            <translation>%1 moves A and B against their gradients by the rate %2. What it keeps of each number's gradients is its state, which stands in memory from the first step on.</translation>
        </message>
        <message>
            <source>The product of the moved pair is another ΔW; the step's own part of it has the norm %1. The row's loss went from %2 to %3.</source>
            <translation>The product of the moved pair is another ΔW; the step's own part of it has the norm %1. The row's loss went from %2 to %3.</translation>
        </message>
        <message>
            <source>A</source>
            <translation>A</translation>
        </message>
        <message>
            <source>B</source>
            <translation>B</translation>
        </message>
        <message>
            <source>ΔW</source>
            <translation>ΔW</translation>
        </message>
        <message>
            <source>W</source>
            <translation>W</translation>
        </message>
        <message>
            <source>gradient of A</source>
            <translation>gradient of A</translation>
        </message>
        <message>
            <source>gradient of B</source>
            <translation>gradient of B</translation>
        </message>
        <message>
            <source>A moves by</source>
            <translation>A moves by</translation>
        </message>
        <message>
            <source>B moves by</source>
            <translation>B moves by</translation>
        </message>
        <message>
            <source>ΔW before</source>
            <translation>ΔW before</translation>
        </message>
        <message>
            <source>ΔW of this step</source>
            <translation>ΔW of this step</translation>
        </message>
        <message>
            <source>ΔW after</source>
            <translation>ΔW after</translation>
        </message>
        <message>
            <source>weights</source>
            <translation>weights</translation>
        </message>
        <message>
            <source>adapter</source>
            <translation>adapter</translation>
        </message>
        <message>
            <source>gradients</source>
            <translation>gradients</translation>
        </message>
        <message>
            <source>optimizer</source>
            <translation>optimizer</translation>
        </message>
        <message>
            <source>activations</source>
            <translation>activations</translation>
        </message>
        <message>
            <source>Memory at the most while the loss flows back: %1</source>
            <translation>Memory at the most while the loss flows back: %1</translation>
        </message>
        <message>
            <source>Memory at this moment: %1</source>
            <translation>Memory at this moment: %1</translation>
        </message>
        <message>
            <source>%1 · rank %2 · step %3</source>
            <translation>%1 · rank %2 · step %3</translation>
        </message>
        <message>
            <source>A model must be loaded first</source>
            <translation>A model must be loaded first</translation>
        </message>
        <message>
            <source>Choose data on the Data page first</source>
            <translation>Choose data on the Data page first</translation>
        </message>
        <message>
            <source>Not now: %1</source>
            <translation>Not now: %1</translation>
        </message>
        <message>
            <source>The base's weight W stays as it is. A and B begin with a part of it, B₀ · A₀, which is taken off what they add: ΔW = %1 · (B · A − B₀ · A₀). So the first step starts from the base's own answers here, too. The row's loss is %2.</source>
            <translation>The base's weight W stays as it is. A and B begin with a part of it, B₀ · A₀, which is taken off what they add: ΔW = %1 · (B · A − B₀ · A₀). So the first step starts from the base's own answers here, too. The row's loss is %2.</translation>
        </message>
    </context>
    <context>
        <name>luthier::WhereChooser</name>
        <message>
            <source>Run &amp;in</source>
            <translation>Run &amp;in</translation>
        </message>
        <message>
            <source>this window</source>
            <translation>this window</translation>
        </message>
        <message>
            <source>a process of its own</source>
            <translation>a process of its own</translation>
        </message>
        <message>
            <source>another machine (ssh)</source>
            <translation>another machine (ssh)</translation>
        </message>
        <message>
            <source>user@machine</source>
            <translation>user@machine</translation>
        </message>
        <message>
            <source>The other machine, as for ssh</source>
            <translation>The other machine, as for ssh</translation>
        </message>
        <message>
            <source>folder there</source>
            <translation>folder there</translation>
        </message>
        <message>
            <source>The folder there at which relative paths begin</source>
            <translation>The folder there at which relative paths begin</translation>
        </message>
        <message>
            <source>It goes on when this window is closed, and the Start page finds it again.</source>
            <translation>It goes on when this window is closed, and the Start page finds it again.</translation>
        </message>
        <message>
            <source>By ssh, with your keys. Model, data and run folder are paths there; the forecast above is this machine's. It goes on when this window is closed.</source>
            <translation>By ssh, with your keys. Model, data and run folder are paths there; the forecast above is this machine's. It goes on when this window is closed.</translation>
        </message>
    </context>
    <context>
        <name>luthier::Workspace</name>
        <message>
            <source>in a process of its own</source>
            <translation>in a process of its own</translation>
        </message>
        <message>
            <source>on %1</source>
            <translation>on %1</translation>
        </message>
    </context>
    <context>
        <name>luthier::CardChip</name>
        <message>
            <source>%1 of %2</source>
            <translation>%1 of %2</translation>
        </message>
    </context>
    <context>
        <name>luthier::CardPanel</name>
        <message>
            <source>Making rows and a model</source>
            <translation>Making rows and a model</translation>
        </message>
        <message>
            <source>Waits for its turn</source>
            <translation>Waits for its turn</translation>
        </message>
        <message>
            <source>Step %1 of %2, %3 left</source>
            <translation>Step %1 of %2, %3 left</translation>
        </message>
        <message>
            <source>%1 steps in %2</source>
            <translation>%1 steps in %2</translation>
        </message>
        <message>
            <source>Stopped</source>
            <translation>Stopped</translation>
        </message>
        <message>
            <source>Failed</source>
            <translation>Failed</translation>
        </message>
        <message>
            <source>objective %1</source>
            <translation>objective %1</translation>
        </message>
        <message>
            <source>mask: %1</source>
            <translation>mask: %1</translation>
        </message>
        <message>
            <source>stated: %1 in %2 minutes on two cores</source>
            <translation>stated: %1 in %2 minutes on two cores</translation>
        </message>
        <message>
            <source>What the model makes of these rows stands here when it has trained.</source>
            <translation>What the model makes of these rows stands here when it has trained.</translation>
        </message>
        <message>
            <source>Train the card: then the same rows stand here with what the model makes of them.</source>
            <translation>Train the card: then the same rows stand here with what the model makes of them.</translation>
        </message>
        <message>
            <source>Each line is a text, each column a picture; a text&apos;s own picture is on the diagonal. The deeper, the larger the share that the model gives it.</source>
            <translation>Each line is a text, each column a picture; a text&apos;s own picture is on the diagonal. The deeper, the larger the share that the model gives it.</translation>
        </message>
        <message>
            <source>Texts and pictures</source>
            <translation>Texts and pictures</translation>
        </message>
        <message>
            <source>The model answers: %1</source>
            <translation>The model answers: %1</translation>
        </message>
        <message>
            <source>On the left what the model sees of the picture, in the middle what it makes of it, on the right the picture.</source>
            <translation>On the left what the model sees of the picture, in the middle what it makes of it, on the right the picture.</translation>
        </message>
        <message>
            <source>As it was written: %1</source>
            <translation>As it was written: %1</translation>
        </message>
        <message>
            <source>stated</source>
            <translation>stated</translation>
        </message>
        <message>
            <source>a guess</source>
            <translation>a guess</translation>
        </message>
        <message>
            <source>loss</source>
            <translation>loss</translation>
        </message>
        <message>
            <source>The batch</source>
            <translation>The batch</translation>
        </message>
        <message>
            <source>What it makes of it</source>
            <translation>What it makes of it</translation>
        </message>
        <message>
            <source>Curve</source>
            <translation>Curve</translation>
        </message>
        <message>
            <source>By steps</source>
            <translation>By steps</translation>
        </message>
    </context>
    <context>
        <name>luthier::LikenessWindow</name>
        <message>
            <source>By</source>
            <translation>By</translation>
        </message>
        <message>
            <source>Rows</source>
            <translation>Rows</translation>
        </message>
        <message>
            <source>Each text stands in</source>
            <translation>Each text stands in</translation>
        </message>
        <message>
            <source>Texts, one a line</source>
            <translation>Texts, one a line</translation>
        </message>
        <message>
            <source>Pictures</source>
            <translation>Pictures</translation>
        </message>
        <message>
            <source>Pictures (*.png *.jpg *.jpeg *.webp *.gif *.bmp)</source>
            <translation>Pictures (*.png *.jpg *.jpeg *.webp *.gif *.bmp)</translation>
        </message>
        <message>
            <source>%1 · “%2”</source>
            <translation>%1 · “%2”</translation>
        </message>
        <message>
            <source>Rows of a picture and its text</source>
            <translation>Rows of a picture and its text</translation>
        </message>
        <message>
            <source>Rows (*.jsonl *.json *.csv)</source>
            <translation>Rows (*.jsonl *.json *.csv)</translation>
        </message>
        <message>
            <source>The pattern has no {}, where each text is put.</source>
            <translation>The pattern has no {}, where each text is put.</translation>
        </message>
        <message>
            <source>Pictures and texts go through their towers…</source>
            <translation>Pictures and texts go through their towers…</translation>
        </message>
        <message>
            <source>Pictures by texts</source>
            <translation>Pictures by texts</translation>
        </message>
        <message>
            <source>yes</source>
            <translation>yes</translation>
        </message>
        <message>
            <source>no</source>
            <translation>no</translation>
        </message>
        <message>
            <source>among %1: %2</source>
            <translation>among %1: %2</translation>
        </message>
        <message>
            <source>%1  %2 · median rank %3</source>
            <translation>%1  %2 · median rank %3</translation>
        </message>
        <message>
            <source>Texts find their picture</source>
            <translation>Texts find their picture</translation>
        </message>
        <message>
            <source>Pictures find a text of theirs</source>
            <translation>Pictures find a text of theirs</translation>
        </message>
        <message>
            <source>Each cell is the probability that the pair belongs together, by itself.</source>
            <translation>Each cell is the probability that the pair belongs together, by itself.</translation>
        </message>
        <message>
            <source>Each line of the matrix is a picture and shares one among all texts.</source>
            <translation>Each line of the matrix is a picture and shares one among all texts.</translation>
        </message>
        <message>
            <source>The first rows of the file; %1 more were left out.</source>
            <translation>The first rows of the file; %1 more were left out.</translation>
        </message>
        <message>
            <source>The base</source>
            <translation>The base</translation>
        </message>
        <message>
            <source>A model must be loaded first</source>
            <translation>A model must be loaded first</translation>
        </message>
        <message>
            <source>Not now: %1</source>
            <translation>Not now: %1</translation>
        </message>
        <message>
            <source>Choose a file of rows first</source>
            <translation>Choose a file of rows first</translation>
        </message>
        <message>
            <source>Choose pictures and write texts first</source>
            <translation>Choose pictures and write texts first</translation>
        </message>
        <message>
            <source>Pictures and texts</source>
            <translation>Pictures and texts</translation>
        </message>
        <message>
            <source>Rows of a file</source>
            <translation>Rows of a file</translation>
        </message>
        <message>
            <source>My pictures and texts</source>
            <translation>My pictures and texts</translation>
        </message>
        <message>
            <source>What is compared</source>
            <translation>What is compared</translation>
        </message>
        <message>
            <source>&amp;By</source>
            <translation>&amp;By</translation>
        </message>
        <message>
            <source>&amp;Rows</source>
            <translation>&amp;Rows</translation>
        </message>
        <message>
            <source>&amp;Choose…</source>
            <translation>&amp;Choose…</translation>
        </message>
        <message>
            <source>Choose &amp;pictures…</source>
            <translation>Choose &amp;pictures…</translation>
        </message>
        <message>
            <source>Each text stands &amp;in</source>
            <translation>Each text stands &amp;in</translation>
        </message>
        <message>
            <source>&amp;Texts, one a line</source>
            <translation>&amp;Texts, one a line</translation>
        </message>
        <message>
            <source>&amp;Measure</source>
            <translation>&amp;Measure</translation>
        </message>
        <message>
            <source>Picture</source>
            <translation>Picture</translation>
        </message>
        <message>
            <source>Likeliest text</source>
            <translation>Likeliest text</translation>
        </message>
        <message>
            <source>Share</source>
            <translation>Share</translation>
        </message>
        <message>
            <source>Its own</source>
            <translation>Its own</translation>
        </message>
        <message numerus="yes">
            <source>%n pictures</source>
            <translation>
                <numerusform>%n picture</numerusform>
                <numerusform>%n pictures</numerusform>
            </translation>
        </message>
    </context>
    <context>
        <name>luthier::LabPage</name>
        <message>
            <source>Beside it</source>
            <translation>Beside it</translation>
        </message>
        <message>
            <source>Steps</source>
            <translation>Steps</translation>
        </message>
        <message>
            <source>Seed</source>
            <translation>Seed</translation>
        </message>
        <message>
            <source>Pictures and te&amp;xts…</source>
            <translation>Pictures and te&amp;xts…</translation>
        </message>
        <message>
            <source>How alike the loaded model of two towers finds them</source>
            <translation>How alike the loaded model of two towers finds them</translation>
        </message>
        <message>
            <source>The map: how pictures and words come together, and what is learned by</source>
            <translation>The map: how pictures and words come together, and what is learned by</translation>
        </message>
        <message>
            <source>Tra&amp;in both</source>
            <translation>Tra&amp;in both</translation>
        </message>
        <message>
            <source>Tra&amp;in this card</source>
            <translation>Tra&amp;in this card</translation>
        </message>
        <message>
            <source>%1 rows each</source>
            <translation>%1 rows each</translation>
        </message>
        <message>
            <source>%1 rows</source>
            <translation>%1 rows</translation>
        </message>
        <message>
            <source>&amp;Beside it</source>
            <translation>&amp;Beside it</translation>
        </message>
        <message>
            <source>Nothing</source>
            <translation>Nothing</translation>
        </message>
        <message>
            <source>Ste&amp;ps</source>
            <translation>Ste&amp;ps</translation>
        </message>
        <message>
            <source>Of 32 rows each; two cards see the same scenes in as many steps</source>
            <translation>Of 32 rows each; two cards see the same scenes in as many steps</translation>
        </message>
        <message>
            <source>S&amp;eed</source>
            <translation>S&amp;eed</translation>
        </message>
        <message>
            <source>Of scenes, weights and order: the same seed gives the same run</source>
            <translation>Of scenes, weights and order: the same seed gives the same run</translation>
        </message>
        <message>
            <source>&amp;Stop</source>
            <translation>&amp;Stop</translation>
        </message>
        <message>
            <source>Scaling la&amp;ws…</source>
            <translation>Scaling la&amp;ws…</translation>
        </message>
        <message>
            <source>Small decoders of several sizes, and the law that their losses follow</source>
            <translation>Small decoders of several sizes, and the law that their losses follow</translation>
        </message>
        <message>
            <source>&amp;Compose…</source>
            <translation>&amp;Compose…</translation>
        </message>
        <message>
            <source>A picture tower, a connector and a language model become one</source>
            <translation>A picture tower, a connector and a language model become one</translation>
        </message>
        <message>
            <source>What to tr&amp;y…</source>
            <translation>What to tr&amp;y…</translation>
        </message>
        <message>
            <source>Prompt, retrieve or train, and how, with the reasons</source>
            <translation>Prompt, retrieve or train, and how, with the reasons</translation>
        </message>
        <message>
            <source>T&amp;ools</source>
            <translation>T&amp;ools</translation>
        </message>
    </context>
    <context>
        <name>luthier::MaskView</name>
        <message>
            <source>Who sees whom</source>
            <translation>Who sees whom</translation>
        </message>
        <message>
            <source>%1 tokens; %2 of %3 places are seen</source>
            <translation>%1 tokens; %2 of %3 places are seen</translation>
        </message>
        <message>
            <source>“%1” (%2) sees “%3” (%4)</source>
            <translation>“%1” (%2) sees “%3” (%4)</translation>
        </message>
        <message>
            <source>“%1” (%2) does not see “%3” (%4)</source>
            <translation>“%1” (%2) does not see “%3” (%4)</translation>
        </message>
    </context>
    <context>
        <name>luthier::TokenStrip</name>
        <message>
            <source>Said: %1, as it stood there (%2)</source>
            <translation>Said: %1, as it stood there (%2)</translation>
        </message>
        <message>
            <source>Said: %1 (%2); there stood %3</source>
            <translation>Said: %1 (%2); there stood %3</translation>
        </message>
        <message>
            <source>There stood %1, which is to be told</source>
            <translation>There stood %1, which is to be told</translation>
        </message>
        <message>
            <source>Stands for what was cut out</source>
            <translation>Stands for what was cut out</translation>
        </message>
        <message>
            <source>It is to be told from what it sees</source>
            <translation>It is to be told from what it sees</translation>
        </message>
        <message>
            <source>Behind it %1 is to be told</source>
            <translation>Behind it %1 is to be told</translation>
        </message>
        <message>
            <source>A piece of the picture</source>
            <translation>A piece of the picture</translation>
        </message>
        <message>
            <source>Seen by the pictures&apos; tower</source>
            <translation>Seen by the pictures&apos; tower</translation>
        </message>
        <message>
            <source>Read by the encoder</source>
            <translation>Read by the encoder</translation>
        </message>
        <message>
            <source>Read by the texts&apos; tower</source>
            <translation>Read by the texts&apos; tower</translation>
        </message>
        <message>
            <source>Written</source>
            <translation>Written</translation>
        </message>
    </context>
    <context>
        <name>luthier::BudgetCard</name>
        <message>
            <source>5.76e23, or 400T</source>
            <translation>5.76e23, or 400T</translation>
        </message>
        <message>
            <source>The law of these points</source>
            <translation>The law of these points</translation>
        </message>
        <message>
            <source>What a budget is best spent on</source>
            <translation>What a budget is best spent on</translation>
        </message>
        <message>
            <source>&amp;Operations</source>
            <translation>&amp;Operations</translation>
        </message>
        <message>
            <source>Operations</source>
            <translation>Operations</translation>
        </message>
        <message>
            <source>Laws</source>
            <translation>Laws</translation>
        </message>
        <message>
            <source>Law</source>
            <translation>Law</translation>
        </message>
        <message>
            <source>Weights</source>
            <translation>Weights</translation>
        </message>
        <message>
            <source>Tokens</source>
            <translation>Tokens</translation>
        </message>
        <message>
            <source>Tokens a weight</source>
            <translation>Tokens a weight</translation>
        </message>
        <message>
            <source>Loss</source>
            <translation>Loss</translation>
        </message>
    </context>
    <context>
        <name>luthier::LawPlot</name>
        <message>
            <source>The best model of each budget</source>
            <translation>The best model of each budget</translation>
        </message>
        <message>
            <source>%1 weights</source>
            <translation>%1 weights</translation>
        </message>
        <message>
            <source>The next size, forecast</source>
            <translation>The next size, forecast</translation>
        </message>
        <message>
            <source>What it came to</source>
            <translation>What it came to</translation>
        </message>
        <message>
            <source>No model falls below</source>
            <translation>No model falls below</translation>
        </message>
        <message>
            <source>%1 weights, %2 tokens: %3 nats a token</source>
            <translation>%1 weights, %2 tokens: %3 nats a token</translation>
        </message>
        <message>
            <source>Forecast: %1 (%2 to %3)</source>
            <translation>Forecast: %1 (%2 to %3)</translation>
        </message>
        <message>
            <source>Forecast: %1</source>
            <translation>Forecast: %1</translation>
        </message>
        <message>
            <source>It came to %1</source>
            <translation>It came to %1</translation>
        </message>
        <message>
            <source>Operations (6 × weights × tokens)</source>
            <translation>Operations (6 × weights × tokens)</translation>
        </message>
        <message>
            <source>Loss, nats a token</source>
            <translation>Loss, nats a token</translation>
        </message>
        <message>
            <source>Losses over operations</source>
            <translation>Losses over operations</translation>
        </message>
    </context>
    <context>
        <name>luthier::LawsWindow</name>
        <message>
            <source>%1 could not be started. Reinstall Luthier, or put luthier-cli beside this program.</source>
            <translation>%1 could not be started. Reinstall Luthier, or put luthier-cli beside this program.</translation>
        </message>
        <message>
            <source>A sweep&apos;s folder, or an empty one</source>
            <translation>A sweep&apos;s folder, or an empty one</translation>
        </message>
        <message>
            <source>Points: weights, tokens, loss</source>
            <translation>Points: weights, tokens, loss</translation>
        </message>
        <message>
            <source>Points (*.csv *.tsv *.json *.jsonl *.parquet)</source>
            <translation>Points (*.csv *.tsv *.json *.jsonl *.parquet)</translation>
        </message>
        <message>
            <source>Small decoders are trained, the cheapest first…</source>
            <translation>Small decoders are trained, the cheapest first…</translation>
        </message>
        <message>
            <source>Stopped; what was trained is kept, and the same folder goes on from here.</source>
            <translation>Stopped; what was trained is kept, and the same folder goes on from here.</translation>
        </message>
        <message>
            <source>The sweep ended by itself. What was trained is kept: train again to go on.</source>
            <translation>The sweep ended by itself. What was trained is kept: train again to go on.</translation>
        </message>
        <message>
            <source>No run has ended here yet.</source>
            <translation>No run has ended here yet.</translation>
        </message>
        <message>
            <source>%1 %2 (%3 to %4)</source>
            <translation>%1 %2 (%3 to %4)</translation>
        </message>
        <message numerus="yes">
            <source>L = E + A / N^α + B / D^β, from %n points</source>
            <translation>
                <numerusform>L = E + A / N^α + B / D^β, from %n point</numerusform>
                <numerusform>L = E + A / N^α + B / D^β, from %n points</numerusform>
            </translation>
        </message>
        <message>
            <source>The best N grows as C to the power of</source>
            <translation>The best N grows as C to the power of</translation>
        </message>
        <message>
            <source>The language&apos;s own floor is %1</source>
            <translation>The language&apos;s own floor is %1</translation>
        </message>
        <message>
            <source>%1: forecast %2</source>
            <translation>%1: forecast %2</translation>
        </message>
        <message>
            <source> (%1 to %2)</source>
            <translation> (%1 to %2)</translation>
        </message>
        <message>
            <source>, it came to %1 (%2 %)</source>
            <translation>, it came to %1 (%2 %)</translation>
        </message>
        <message>
            <source>A file of points is no sweep; choose a folder</source>
            <translation>A file of points is no sweep; choose a folder</translation>
        </message>
        <message>
            <source>&amp;Train the sweep</source>
            <translation>&amp;Train the sweep</translation>
        </message>
        <message>
            <source>&amp;Train what lacks</source>
            <translation>&amp;Train what lacks</translation>
        </message>
        <message>
            <source>Scaling laws</source>
            <translation>Scaling laws</translation>
        </message>
        <message>
            <source>Losses over operations, and the law fitted to them</source>
            <translation>Losses over operations, and the law fitted to them</translation>
        </message>
        <message>
            <source>S&amp;weep</source>
            <translation>S&amp;weep</translation>
        </message>
        <message>
            <source>A sweep&apos;s folder, or a file of points</source>
            <translation>A sweep&apos;s folder, or a file of points</translation>
        </message>
        <message>
            <source>&amp;Choose…</source>
            <translation>&amp;Choose…</translation>
        </message>
        <message>
            <source>&amp;Points…</source>
            <translation>&amp;Points…</translation>
        </message>
        <message>
            <source>A table of weights, tokens and losses that is there already</source>
            <translation>A table of weights, tokens and losses that is there already</translation>
        </message>
        <message>
            <source>Wi&amp;dths</source>
            <translation>Wi&amp;dths</translation>
        </message>
        <message>
            <source>Widths</source>
            <translation>Widths</translation>
        </message>
        <message>
            <source>Of the decoders, in steps of 8; the next one is forecast</source>
            <translation>Of the decoders, in steps of 8; the next one is forecast</translation>
        </message>
        <message>
            <source>T&amp;okens</source>
            <translation>T&amp;okens</translation>
        </message>
        <message>
            <source>Tokens</source>
            <translation>Tokens</translation>
        </message>
        <message>
            <source>That each width is trained on, from nothing</source>
            <translation>That each width is trained on, from nothing</translation>
        </message>
        <message>
            <source>&amp;Minutes</source>
            <translation>&amp;Minutes</translation>
        </message>
        <message>
            <source>Minutes</source>
            <translation>Minutes</translation>
        </message>
        <message>
            <source>Runs that would not end in them are left for another time</source>
            <translation>Runs that would not end in them are left for another time</translation>
        </message>
        <message>
            <source>&amp;Stop</source>
            <translation>&amp;Stop</translation>
        </message>
        <message>
            <source>Runs</source>
            <translation>Runs</translation>
        </message>
        <message>
            <source>Run</source>
            <translation>Run</translation>
        </message>
        <message>
            <source>Weights</source>
            <translation>Weights</translation>
        </message>
        <message>
            <source>Loss</source>
            <translation>Loss</translation>
        </message>
        <message>
            <source>Seconds</source>
            <translation>Seconds</translation>
        </message>
    </context>
    <context>
        <name>luthier::ComposeDrawing</name>
        <message>
            <source>From the picture to the next word</source>
            <translation>From the picture to the next word</translation>
        </message>
        <message>
            <source> (trains)</source>
            <translation> (trains)</translation>
        </message>
        <message>
            <source>trains</source>
            <translation>trains</translation>
        </message>
        <message>
            <source>the next word</source>
            <translation>the next word</translation>
        </message>
    </context>
    <context>
        <name>luthier::ComposeWindow</name>
        <message>
            <source>A checkpoint&apos;s folder</source>
            <translation>A checkpoint&apos;s folder</translation>
        </message>
        <message>
            <source>The checkpoint is written…</source>
            <translation>The checkpoint is written…</translation>
        </message>
        <message>
            <source>%1 stands, and the recipe of its stages beside it.</source>
            <translation>%1 stands, and the recipe of its stages beside it.</translation>
        </message>
        <message>
            <source>Stopped; nothing was written.</source>
            <translation>Stopped; nothing was written.</translation>
        </message>
        <message>
            <source>Compose a model</source>
            <translation>Compose a model</translation>
        </message>
        <message>
            <source>From the picture to the next word</source>
            <translation>From the picture to the next word</translation>
        </message>
        <message>
            <source>How its paper trains it</source>
            <translation>How its paper trains it</translation>
        </message>
        <message>
            <source>Picture &amp;tower: a folder, or small</source>
            <translation>Picture &amp;tower: a folder, or small</translation>
        </message>
        <message>
            <source>&amp;Connector</source>
            <translation>&amp;Connector</translation>
        </message>
        <message>
            <source>&amp;Language model: a folder, or small</source>
            <translation>&amp;Language model: a folder, or small</translation>
        </message>
        <message>
            <source>&amp;Queries</source>
            <translation>&amp;Queries</translation>
        </message>
        <message>
            <source>A gated la&amp;yer every</source>
            <translation>A gated la&amp;yer every</translation>
        </message>
        <message>
            <source>See&amp;d</source>
            <translation>See&amp;d</translation>
        </message>
        <message>
            <source>Writ&amp;e to</source>
            <translation>Writ&amp;e to</translation>
        </message>
        <message>
            <source>as in the paper</source>
            <translation>as in the paper</translation>
        </message>
        <message>
            <source>Of what is drawn: the same order gives the same bytes</source>
            <translation>Of what is drawn: the same order gives the same bytes</translation>
        </message>
        <message>
            <source>Choose…</source>
            <translation>Choose…</translation>
        </message>
        <message>
            <source>Becomes %1; without a tower; language model: %2</source>
            <translation>Becomes %1; without a tower; language model: %2</translation>
        </message>
        <message>
            <source>Becomes %1; tower: %2; language model: %3</source>
            <translation>Becomes %1; tower: %2; language model: %3</translation>
        </message>
        <message>
            <source>&amp;Write the checkpoint</source>
            <translation>&amp;Write the checkpoint</translation>
        </message>
        <message>
            <source>&amp;Stop</source>
            <translation>&amp;Stop</translation>
        </message>
        <message>
            <source>&amp;Open it</source>
            <translation>&amp;Open it</translation>
        </message>
        <message>
            <source>Open its sta&amp;ges in the form</source>
            <translation>Open its sta&amp;ges in the form</translation>
        </message>
        <message>
            <source>Parts</source>
            <translation>Parts</translation>
        </message>
        <message>
            <source>Stages</source>
            <translation>Stages</translation>
        </message>
        <message>
            <source>Part</source>
            <translation>Part</translation>
        </message>
        <message>
            <source>Parameters</source>
            <translation>Parameters</translation>
        </message>
        <message>
            <source>Drawn</source>
            <translation>Drawn</translation>
        </message>
        <message>
            <source>What</source>
            <translation>What</translation>
        </message>
        <message>
            <source>Picture tower</source>
            <translation>Picture tower</translation>
        </message>
        <message>
            <source>Connector</source>
            <translation>Connector</translation>
        </message>
        <message>
            <source>Language model</source>
            <translation>Language model</translation>
        </message>
        <message>
            <source>Queries</source>
            <translation>Queries</translation>
        </message>
        <message>
            <source>A gated layer every</source>
            <translation>A gated layer every</translation>
        </message>
        <message>
            <source>Seed</source>
            <translation>Seed</translation>
        </message>
        <message>
            <source>Write to</source>
            <translation>Write to</translation>
        </message>
        <message>
            <source>%1 parameters; %2 (%3)</source>
            <translation>%1 parameters; %2 (%3)</translation>
        </message>
        <message>
            <source>A picture of %1 × %2: %3 tokens in the tower, %4 states for the language model, %5 places in the text</source>
            <translation>A picture of %1 × %2: %3 tokens in the tower, %4 states for the language model, %5 places in the text</translation>
        </message>
    </context>
    <context>
        <name>luthier::AdviceWindow</name>
        <message>
            <source>Prompt the base</source>
            <translation>Prompt the base</translation>
        </message>
        <message>
            <source>Retrieve passages</source>
            <translation>Retrieve passages</translation>
        </message>
        <message>
            <source>Features under a small head</source>
            <translation>Features under a small head</translation>
        </message>
        <message>
            <source>An adapter (PEFT)</source>
            <translation>An adapter (PEFT)</translation>
        </message>
        <message>
            <source>All weights</source>
            <translation>All weights</translation>
        </message>
        <message>
            <source>%1: it cannot be done</source>
            <translation>%1: it cannot be done</translation>
        </message>
        <message>
            <source>Not said, and it would count: %1</source>
            <translation>Not said, and it would count: %1</translation>
        </message>
        <message>
            <source>What to try</source>
            <translation>What to try</translation>
        </message>
        <message>
            <source>What speaks for each way, and against it</source>
            <translation>What speaks for each way, and against it</translation>
        </message>
        <message>
            <source>&amp;What is to be learned</source>
            <translation>&amp;What is to be learned</translation>
        </message>
        <message>
            <source>&amp;Rows with answers</source>
            <translation>&amp;Rows with answers</translation>
        </message>
        <message>
            <source>How often that &amp;changes</source>
            <translation>How often that &amp;changes</translation>
        </message>
        <message>
            <source>Wei&amp;ghts of the model</source>
            <translation>Wei&amp;ghts of the model</translation>
        </message>
        <message>
            <source>&amp;Memory for training, bytes</source>
            <translation>&amp;Memory for training, bytes</translation>
        </message>
        <message>
            <source>An answer ma&amp;y take, ms</source>
            <translation>An answer ma&amp;y take, ms</translation>
        </message>
        <message>
            <source>The model takes as it &amp;is, ms</source>
            <translation>The model takes as it &amp;is, ms</translation>
        </message>
        <message>
            <source>&amp;Tasks of one model</source>
            <translation>&amp;Tasks of one model</translation>
        </message>
        <message>
            <source>not said</source>
            <translation>not said</translation>
        </message>
        <message>
            <source>Answers must &amp;name where they are from</source>
            <translation>Answers must &amp;name where they are from</translation>
        </message>
        <message>
            <source>facts</source>
            <translation>facts</translation>
        </message>
        <message>
            <source>a manner of speaking</source>
            <translation>a manner of speaking</translation>
        </message>
        <message>
            <source>a format</source>
            <translation>a format</translation>
        </message>
        <message>
            <source>a skill</source>
            <translation>a skill</translation>
        </message>
        <message>
            <source>classes</source>
            <translation>classes</translation>
        </message>
        <message>
            <source>search</source>
            <translation>search</translation>
        </message>
        <message>
            <source>never</source>
            <translation>never</translation>
        </message>
        <message>
            <source>yearly</source>
            <translation>yearly</translation>
        </message>
        <message>
            <source>monthly</source>
            <translation>monthly</translation>
        </message>
        <message>
            <source>daily</source>
            <translation>daily</translation>
        </message>
        <message>
            <source>Way</source>
            <translation>Way</translation>
        </message>
        <message>
            <source>For or against</source>
            <translation>For or against</translation>
        </message>
        <message>
            <source>Ways</source>
            <translation>Ways</translation>
        </message>
        <message>
            <source>Cheap comparisons before deciding</source>
            <translation>Cheap comparisons before deciding</translation>
        </message>
        <message>
            <source>Comparisons</source>
            <translation>Comparisons</translation>
        </message>
        <message>
            <source>&amp;Ask the base (Compare)</source>
            <translation>&amp;Ask the base (Compare)</translation>
        </message>
        <message>
            <source>&amp;Short runs (Methods)</source>
            <translation>&amp;Short runs (Methods)</translation>
        </message>
    </context>
</TS>
