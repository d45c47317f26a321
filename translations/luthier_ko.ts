<?xml version="1.0" encoding="utf-8"?>
<!DOCTYPE TS>
<TS version="2.1" language="ko" sourcelanguage="en">
    <context>
        <name>CompareExport</name>
        <message>
            <source>base</source>
            <translation>베이스</translation>
        </message>
        <message>
            <source>sample</source>
            <translation>샘플</translation>
        </message>
        <message>
            <source>expected</source>
            <translation>정답</translation>
        </message>
        <message>
            <source>reference</source>
            <translation>기준</translation>
        </message>
        <message>
            <source>%1 beside %2</source>
            <translation>비교: %1 (베이스 %2)</translation>
        </message>
        <message>
            <source>samples: %1</source>
            <translation>샘플: %1</translation>
        </message>
        <message>
            <source>%1 of %2 answers</source>
            <translation>답 %2개 중 %1개</translation>
        </message>
        <message>
            <source>greedy</source>
            <translation>최고 확률</translation>
        </message>
        <message>
            <source>sampled</source>
            <translation>확률 추출</translation>
        </message>
        <message>
            <source>strength %1</source>
            <translation>세기 %1</translation>
        </message>
        <message>
            <source>whole checkpoint</source>
            <translation>온전한 체크포인트</translation>
        </message>
        <message>
            <source>words that differ from it are marked; hover a word for its probability</source>
            <translation>기준과 다른 말은 표시되어 있고, 말에 마우스를 올리면 확률이 보입니다</translation>
        </message>
        <message>
            <source>%1 tokens</source>
            <translation>토큰 %1개</translation>
        </message>
        <message>
            <source>cut at the limit</source>
            <translation>길이 제한에서 끊김</translation>
        </message>
        <message>
            <source>exact</source>
            <translation>정답 일치</translation>
        </message>
        <message>
            <source>not asked</source>
            <translation>묻지 않음</translation>
        </message>
        <message>
            <source>%1 of %2</source>
            <translation>%2개 중 %1</translation>
        </message>
        <message>
            <source>exact match</source>
            <translation>정답 일치율</translation>
        </message>
        <message>
            <source>token F1</source>
            <translation>토큰 F1</translation>
        </message>
        <message>
            <source>chrF</source>
            <translation>chrF</translation>
        </message>
        <message>
            <source>valid JSON</source>
            <translation>올바른 JSON</translation>
        </message>
        <message>
            <source>reward</source>
            <translation>보상</translation>
        </message>
        <message>
            <source>win rate</source>
            <translation>승률</translation>
        </message>
        <message>
            <source>rewards by %1</source>
            <translation>보상: %1</translation>
        </message>
        <message>
            <source>box overlap</source>
            <translation>상자 겹침</translation>
        </message>
        <message>
            <source>pattern</source>
            <translation>정규식</translation>
        </message>
        <message>
            <source>under every column, the answer of</source>
            <translation>모든 열로 채점한 답:</translation>
        </message>
        <message>
            <source>judged blind, 95 % interval</source>
            <translation>가리고 평가, 95 % 구간</translation>
        </message>
    </context>
    <context>
        <name>CurveExport</name>
        <message>
            <source>Export the curves</source>
            <translation>그래프 내보내기</translation>
        </message>
        <message>
            <source>%1 could not be written: %2. Choose another folder.</source>
            <translation>%1 파일을 쓰지 못했습니다: %2. 다른 폴더를 골라 주세요.</translation>
        </message>
        <message>
            <source>the file cannot be opened for writing</source>
            <translation>쓰기용으로 파일을 열 수 없습니다</translation>
        </message>
    </context>
    <context>
        <name>event</name>
        <message>
            <source>started</source>
            <translation>시작</translation>
        </message>
        <message>
            <source>resumed</source>
            <translation>이어서 시작</translation>
        </message>
        <message>
            <source>device</source>
            <translation>장치</translation>
        </message>
        <message>
            <source>paused</source>
            <translation>일시 정지</translation>
        </message>
        <message>
            <source>continued</source>
            <translation>다시 진행</translation>
        </message>
        <message>
            <source>learning_rate</source>
            <translation>학습률 변경</translation>
        </message>
        <message>
            <source>checkpoint</source>
            <translation>체크포인트</translation>
        </message>
        <message>
            <source>warning</source>
            <translation>경고</translation>
        </message>
        <message>
            <source>finished</source>
            <translation>완료</translation>
        </message>
        <message>
            <source>stopped</source>
            <translation>중지</translation>
        </message>
        <message>
            <source>failed</source>
            <translation>실패</translation>
        </message>
        <message>
            <source>max_grad_norm</source>
            <translation>기울기 자르기</translation>
        </message>
        <message>
            <source>logging_steps</source>
            <translation>기록 간격</translation>
        </message>
        <message>
            <source>best</source>
            <translation>최고</translation>
        </message>
        <message>
            <source>early_stop</source>
            <translation>조기 종료</translation>
        </message>
        <message>
            <source>result</source>
            <translation>결과</translation>
        </message>
        <message>
            <source>forgetting</source>
            <translation>기억 확인</translation>
        </message>
        <message>
            <source>alarm</source>
            <translation>경보</translation>
        </message>
        <message>
            <source>forked</source>
            <translation>분기</translation>
        </message>
    </context>
    <context>
        <name>finding</name>
        <message>
            <source>bad_row</source>
            <translation>잘못된 행</translation>
        </message>
        <message>
            <source>missing_image</source>
            <translation>그림 없음</translation>
        </message>
        <message>
            <source>broken_image</source>
            <translation>깨진 그림</translation>
        </message>
        <message>
            <source>missing_film</source>
            <translation>영상 없음</translation>
        </message>
        <message>
            <source>broken_film</source>
            <translation>깨진 영상</translation>
        </message>
        <message>
            <source>image_marks</source>
            <translation>그림 표시 수</translation>
        </message>
        <message>
            <source>empty_answer</source>
            <translation>빈 답</translation>
        </message>
        <message>
            <source>equal_answers</source>
            <translation>같은 두 답</translation>
        </message>
        <message>
            <source>no_labels</source>
            <translation>학습할 토큰 없음</translation>
        </message>
        <message>
            <source>too_long</source>
            <translation>너무 긺</translation>
        </message>
        <message>
            <source>duplicate</source>
            <translation>중복</translation>
        </message>
        <message>
            <source>template</source>
            <translation>템플릿</translation>
        </message>
        <message>
            <source>unsupported_media</source>
            <translation>영상 또는 소리</translation>
        </message>
        <message>
            <source>unsupported_tools</source>
            <translation>도구</translation>
        </message>
        <message>
            <source>unknown_key</source>
            <translation>모르는 키</translation>
        </message>
        <message>
            <source>near_duplicate</source>
            <translation>거의 같은 행</translation>
        </message>
    </context>
    <context>
        <name>luthier::AnswerCell</name>
        <message>
            <source>waiting…</source>
            <translation>기다리는 중…</translation>
        </message>
        <message>
            <source>not asked yet</source>
            <translation>아직 묻지 않음</translation>
        </message>
        <message>
            <source>= reference</source>
            <translation>= 기준과 같음</translation>
        </message>
        <message>
            <source>≠ reference</source>
            <translation>≠ 기준과 다름</translation>
        </message>
        <message>
            <source>✓ exact</source>
            <translation>✓ 정답 일치</translation>
        </message>
        <message>
            <source>✗ not exact</source>
            <translation>✗ 정답과 다름</translation>
        </message>
        <message>
            <source>p %1</source>
            <translation>p %1</translation>
        </message>
        <message numerus="yes">
            <source>%n tokens</source>
            <translation>
                <numerusform>토큰 %n개</numerusform>
            </translation>
        </message>
        <message>
            <source>%1 ms</source>
            <translation>%1 ms</translation>
        </message>
        <message>
            <source>cut at the limit</source>
            <translation>길이 제한에서 끊김</translation>
        </message>
        <message>
            <source>reward %1</source>
            <translation>보상 %1</translation>
        </message>
        <message>
            <source>Score this answer: how likely every column holds each of its tokens</source>
            <translation>이 답 채점: 모든 열이 토큰마다 얼마나 그럴듯하게 보는지</translation>
        </message>
        <message>
            <source>Score the answer of %1 by every column</source>
            <translation>%1의 답을 모든 열로 채점</translation>
        </message>
        <message>
            <source>✓ pattern</source>
            <translation>✓ 정규식</translation>
        </message>
        <message>
            <source>✗ pattern</source>
            <translation>✗ 정규식</translation>
        </message>
    </context>
    <context>
        <name>luthier::AskPanel</name>
        <message>
            <source>Choose a picture</source>
            <translation>그림 고르기</translation>
        </message>
        <message>
            <source>Ask about the picture…</source>
            <translation>그림에 대해 물어보세요…</translation>
        </message>
        <message>
            <source>Ask…</source>
            <translation>물어보세요…</translation>
        </message>
        <message>
            <source>Question</source>
            <translation>질문</translation>
        </message>
        <message>
            <source>Take a row</source>
            <translation>데이터에서 가져오기</translation>
        </message>
        <message>
            <source>Picture and question of the next evaluation row (of the training data where there is none)</source>
            <translation>평가 데이터의 다음 행에서 그림과 질문을 가져옵니다. 평가 데이터가 없으면 학습 데이터를 씁니다</translation>
        </message>
        <message>
            <source>As&amp;k now</source>
            <translation>지금 묻기(&amp;K)</translation>
        </message>
        <message>
            <source>Answered by the base and by the adapter as it stands now; training waits one moment and goes on</source>
            <translation>베이스 모델과 지금까지 학습된 어댑터가 함께 답합니다. 학습은 잠깐 멈췄다가 이어집니다</translation>
        </message>
        <message>
            <source>Ask while it trains or is paused: base and adapter answer here.</source>
            <translation>학습 중이거나 일시 정지한 동안 질문하면 베이스와 어댑터의 답이 여기에 나옵니다.</translation>
        </message>
        <message>
            <source>Pictures (*.png *.jpg *.jpeg *.webp *.gif *.bmp *.tif *.tiff)</source>
            <translation>그림 (*.png *.jpg *.jpeg *.webp *.gif *.bmp *.tif *.tiff)</translation>
        </message>
        <message>
            <source>at step %1</source>
            <translation>%1스텝에서</translation>
        </message>
        <message>
            <source>base</source>
            <translation>베이스</translation>
        </message>
        <message>
            <source>in training</source>
            <translation>학습 중인 어댑터</translation>
        </message>
    </context>
    <context>
        <name>luthier::Banner</name>
        <message>
            <source>Dismiss</source>
            <translation>닫기</translation>
        </message>
    </context>
    <context>
        <name>luthier::ColumnHead</name>
        <message>
            <source>base</source>
            <translation>베이스</translation>
        </message>
        <message>
            <source>Make it the reference</source>
            <translation>기준으로 삼기</translation>
        </message>
        <message>
            <source>%1: make it the reference</source>
            <translation>%1: 기준으로 삼기</translation>
        </message>
        <message>
            <source>reference</source>
            <translation>기준</translation>
        </message>
        <message>
            <source>strength</source>
            <translation>세기</translation>
        </message>
        <message>
            <source>Strength of the adapter</source>
            <translation>어댑터 세기</translation>
        </message>
        <message>
            <source>1 is as trained, 0 is the base</source>
            <translation>1이면 학습된 그대로, 0이면 베이스와 같습니다</translation>
        </message>
        <message>
            <source>checkpoint</source>
            <translation>체크포인트</translation>
        </message>
        <message>
            <source>A whole checkpoint: loaded when it is asked, then let go</source>
            <translation>온전한 체크포인트입니다. 물을 때 불러오고, 답이 끝나면 메모리에서 내립니다</translation>
        </message>
        <message>
            <source>Drop this column</source>
            <translation>이 열 빼기</translation>
        </message>
        <message>
            <source>%1: drop this column</source>
            <translation>%1: 열 빼기</translation>
        </message>
    </context>
    <context>
        <name>luthier::CommandDialog</name>
        <message>
            <source>Trains with these settings from a terminal. They were written to %1.</source>
            <translation>이 설정으로 터미널에서 학습합니다. 설정은 %1에 저장했습니다.</translation>
        </message>
        <message>
            <source>Trains with these settings from a terminal, by the recipe %1.</source>
            <translation>이 설정으로 터미널에서 학습합니다. 레시피는 %1입니다.</translation>
        </message>
        <message>
            <source>Save the recipe</source>
            <translation>레시피 저장</translation>
        </message>
        <message>
            <source>Recipes (*.yaml *.yml)</source>
            <translation>레시피 (*.yaml *.yml)</translation>
        </message>
        <message>
            <source>The command line</source>
            <translation>명령줄</translation>
        </message>
        <message>
            <source>&amp;Save the recipe elsewhere…</source>
            <translation>다른 곳에 레시피 저장(&amp;S)…</translation>
        </message>
        <message>
            <source>&amp;Copy</source>
            <translation>복사(&amp;C)</translation>
        </message>
        <message>
            <source>C&amp;lose</source>
            <translation>닫기(&amp;L)</translation>
        </message>
    </context>
    <context>
        <name>luthier::CompareGrid</name>
        <message>
            <source>Sample</source>
            <translation>샘플</translation>
        </message>
        <message>
            <source>Exact match</source>
            <translation>정답 일치율</translation>
        </message>
        <message>
            <source>%1 of %2</source>
            <translation>%2개 중 %1</translation>
        </message>
        <message>
            <source>token F1 %1</source>
            <translation>토큰 F1 %1</translation>
        </message>
        <message>
            <source>valid JSON %1</source>
            <translation>올바른 JSON %1</translation>
        </message>
        <message>
            <source>reward %1</source>
            <translation>보상 %1</translation>
        </message>
        <message>
            <source>win rate %1 of %2</source>
            <translation>승률 %1 (%2개 기준)</translation>
        </message>
        <message>
            <source>base</source>
            <translation>베이스</translation>
        </message>
        <message>
            <source>pattern %1</source>
            <translation>정규식 %1</translation>
        </message>
        <message>
            <source>box overlap %1</source>
            <translation>상자 겹침 %1</translation>
        </message>
    </context>
    <context>
        <name>luthier::ComparePage</name>
        <message>
            <source>&amp;Adapter</source>
            <translation>어댑터(&amp;A)</translation>
        </message>
        <message>
            <source>&amp;Samples…</source>
            <translation>샘플(&amp;S)…</translation>
        </message>
        <message>
            <source>A file of rows; their last answer is the expected one</source>
            <translation>행이 담긴 파일입니다. 각 행의 마지막 답을 정답으로 봅니다</translation>
        </message>
        <message>
            <source> samples</source>
            <translation>개 샘플</translation>
        </message>
        <message>
            <source>How many samples</source>
            <translation>샘플 수</translation>
        </message>
        <message>
            <source>seed </source>
            <translation>시드 </translation>
        </message>
        <message>
            <source>Seed</source>
            <translation>시드</translation>
        </message>
        <message>
            <source>greedy</source>
            <translation>최고 확률</translation>
        </message>
        <message>
            <source>How tokens are chosen</source>
            <translation>토큰을 고르는 방법</translation>
        </message>
        <message>
            <source>max </source>
            <translation>최대 </translation>
        </message>
        <message>
            <source> tokens</source>
            <translation> 토큰</translation>
        </message>
        <message>
            <source>Most tokens in an answer</source>
            <translation>답의 최대 토큰 수</translation>
        </message>
        <message>
            <source>Run &amp;all</source>
            <translation>모두 실행(&amp;A)</translation>
        </message>
        <message>
            <source>Cancel</source>
            <translation>취소</translation>
        </message>
        <message>
            <source>Export the comparison</source>
            <translation>비교 내보내기</translation>
        </message>
        <message>
            <source>As a page (HTML)…</source>
            <translation>웹 페이지로(HTML)…</translation>
        </message>
        <message>
            <source>As data (JSON)…</source>
            <translation>데이터로(JSON)…</translation>
        </message>
        <message>
            <source>Open samples</source>
            <translation>샘플 열기</translation>
        </message>
        <message>
            <source>Rows (*.jsonl *.json)</source>
            <translation>데이터 행 (*.jsonl *.json)</translation>
        </message>
        <message>
            <source>The comparison was written to %1.</source>
            <translation>비교 결과를 %1에 저장했습니다.</translation>
        </message>
        <message>
            <source>First a model</source>
            <translation>먼저 모델이 필요합니다</translation>
        </message>
        <message>
            <source>Adapters are compared on one base that stays loaded.</source>
            <translation>어댑터는 메모리에 올려 둔 베이스 하나 위에서 비교합니다.</translation>
        </message>
        <message>
            <source>Choose a model</source>
            <translation>모델 고르기</translation>
        </message>
        <message>
            <source>No samples yet</source>
            <translation>아직 샘플이 없습니다</translation>
        </message>
        <message>
            <source>Open a file of rows: every adapter answers the same questions, next to the base.</source>
            <translation>데이터 파일을 열면 모든 어댑터가 베이스와 나란히 같은 질문에 답합니다.</translation>
        </message>
        <message>
            <source>Open samples…</source>
            <translation>샘플 열기…</translation>
        </message>
        <message>
            <source>base: %1</source>
            <translation>베이스: %1</translation>
        </message>
        <message>
            <source>Another column: an adapter on the base, or a whole checkpoint beside it</source>
            <translation>열을 더합니다: 베이스에 붙이는 어댑터, 또는 나란히 놓는 온전한 체크포인트</translation>
        </message>
        <message>
            <source>Open a folder…</source>
            <translation>폴더 열기…</translation>
        </message>
        <message>
            <source>Open an adapter, a checkpoint or a run</source>
            <translation>어댑터, 체크포인트 또는 학습 기록의 폴더 열기</translation>
        </message>
        <message numerus="yes">
            <source>%n rows cannot be read and were passed over. The first: %1</source>
            <translation>
                <numerusform>읽을 수 없는 행 %n개를 건너뛰었습니다. 첫 번째: %1</numerusform>
            </translation>
        </message>
        <message numerus="yes">
            <source>All %n answers are there for these settings. Another sampling, seed, length or strength asks again what it changes.</source>
            <translation>
                <numerusform>이 설정의 답 %n개가 이미 모두 있습니다. 뽑는 방법, 시드, 길이나 세기를 바꾸면 달라지는 답만 다시 묻습니다.</numerusform>
            </translation>
        </message>
        <message>
            <source>Ask all again</source>
            <translation>모두 다시 묻기</translation>
        </message>
        <message>
            <source>A model must be loaded first</source>
            <translation>먼저 모델을 불러와야 합니다</translation>
        </message>
        <message>
            <source>Open samples first</source>
            <translation>먼저 샘플을 여세요</translation>
        </message>
        <message>
            <source>Not now: %1</source>
            <translation>지금은 할 수 없습니다: %1</translation>
        </message>
        <message>
            <source>Asks for the answers that are not there yet</source>
            <translation>아직 없는 답만 묻습니다</translation>
        </message>
        <message>
            <source>Every answer gets its reward by a model that a run with the objective reward or prm has left; each column its mean, and how often it is above the reference's</source>
            <translation>목표가 reward나 prm인 학습이 남긴 모델이 답마다 보상을 매기고, 열마다 평균과 기준 답보다 높은 비율을 보여 줍니다</translation>
        </message>
        <message>
            <source>None</source>
            <translation>없음</translation>
        </message>
        <message>
            <source>Open a reward model, or a run that left one</source>
            <translation>보상 모델이나 그것을 남긴 학습 열기</translation>
        </message>
        <message>
            <source>Reward model</source>
            <translation>보상 모델</translation>
        </message>
        <message>
            <source>Rewards: %1</source>
            <translation>보상: %1</translation>
        </message>
        <message>
            <source>The comparison was kept in %1.</source>
            <translation>비교를 %1에 보관했습니다.</translation>
        </message>
        <message>
            <source>The comparison is as it was kept in %1.</source>
            <translation>%1에 보관한 비교를 그대로 열었습니다.</translation>
        </message>
        <message>
            <source>Columns of the comparison are not there any more: %1.</source>
            <translation>비교에 있던 열이 이제 없습니다: %1.</translation>
        </message>
        <message>
            <source>Ask something of your own, with a picture or without</source>
            <translation>그림과 함께 또는 그림 없이 직접 물어보기</translation>
        </message>
        <message>
            <source>Ask something of your own</source>
            <translation>직접 물어보기</translation>
        </message>
        <message>
            <source>Keep this comparison with its run, or open one that was kept</source>
            <translation>이 비교를 실행과 함께 보관하거나, 보관한 비교를 엽니다</translation>
        </message>
        <message>
            <source>Kept comparisons</source>
            <translation>보관한 비교</translation>
        </message>
        <message>
            <source>As a table (CSV)…</source>
            <translation>표로(CSV)…</translation>
        </message>
        <message>
            <source>Hover a token: its probability and the runners-up; click it: where it looked. Click a column's name: make it the reference. Underlined words differ from it.</source>
            <translation>토큰에 마우스를 올리면 확률과 다음 후보가, 누르면 그때 본 곳이 나옵니다. 열 이름을 누르면 기준이 됩니다. 밑줄 친 단어는 기준과 다릅니다.</translation>
        </message>
        <message>
            <source>Side by side</source>
            <translation>나란히</translation>
        </message>
        <message>
            <source>Table</source>
            <translation>표</translation>
        </message>
        <message>
            <source>Blind</source>
            <translation>가리고 평가</translation>
        </message>
        <message>
            <source>Samples and columns beside one another</source>
            <translation>샘플과 열을 나란히 봅니다</translation>
        </message>
        <message>
            <source>All samples as a table: sort, filter, search</source>
            <translation>모든 샘플을 표로: 정렬, 거르기, 검색</translation>
        </message>
        <message>
            <source>Judge the answers without knowing whose they are</source>
            <translation>누구의 답인지 모르고 평가합니다</translation>
        </message>
        <message>
            <source>right by pattern</source>
            <translation>정규식 정답</translation>
        </message>
        <message>
            <source>A pattern that right answers match</source>
            <translation>맞는 답이 맞추는 정규식</translation>
        </message>
        <message>
            <source>A regular expression (as Python's): an answer is right where what it finds first is what it finds in the expected answer, for example \b[A-D]\b; where nothing is expected, where it matches at all</source>
            <translation>정규식(파이썬 문법): 답에서 처음 찾은 것이 정답에서 처음 찾은 것과 같으면 맞습니다. 예: \b[A-D]\b. 정답이 없으면 맞는 부분이 있기만 하면 됩니다</translation>
        </message>
    </context>
    <context>
        <name>luthier::DataPage</name>
        <message>
            <source>Row</source>
            <translation>행</translation>
        </message>
        <message>
            <source>Finding</source>
            <translation>문제</translation>
        </message>
        <message>
            <source>What is wrong</source>
            <translation>무엇이 잘못되었나</translation>
        </message>
        <message>
            <source>Training data</source>
            <translation>학습 데이터</translation>
        </message>
        <message>
            <source>Evaluation data</source>
            <translation>평가 데이터</translation>
        </message>
        <message>
            <source>Which data to show</source>
            <translation>보여 줄 데이터</translation>
        </message>
        <message>
            <source>File of rows</source>
            <translation>데이터 파일</translation>
        </message>
        <message>
            <source>Chec&amp;k all rows</source>
            <translation>전체 행 검사(&amp;K)</translation>
        </message>
        <message>
            <source>Missing pictures, wrong marks, empty answers, rows too long, duplicates: before training meets them</source>
            <translation>없는 그림, 잘못된 표시, 빈 답, 너무 긴 행, 중복을 학습 전에 찾아냅니다</translation>
        </message>
        <message>
            <source>Cancel</source>
            <translation>취소</translation>
        </message>
        <message>
            <source>Rows</source>
            <translation>데이터 행</translation>
        </message>
        <message>
            <source>Findings</source>
            <translation>발견된 문제</translation>
        </message>
        <message>
            <source>The check was cancelled.</source>
            <translation>검사를 취소했습니다.</translation>
        </message>
        <message>
            <source>Open rows</source>
            <translation>데이터 열기</translation>
        </message>
        <message>
            <source>First a model</source>
            <translation>먼저 모델이 필요합니다</translation>
        </message>
        <message>
            <source>How rows become tokens depends on the model: its tokenizer, chat template and picture size.</source>
            <translation>행이 어떤 토큰이 되는지는 모델의 토크나이저, 채팅 템플릿, 그림 크기에 따라 달라집니다.</translation>
        </message>
        <message>
            <source>Choose a model</source>
            <translation>모델 고르기</translation>
        </message>
        <message>
            <source>No rows yet</source>
            <translation>아직 데이터가 없습니다</translation>
        </message>
        <message>
            <source>Open a file…</source>
            <translation>파일 열기…</translation>
        </message>
        <message>
            <source>One row. Not checked yet.</source>
            <translation>1행. 아직 검사하지 않았습니다.</translation>
        </message>
        <message>
            <source>%1 rows. Not checked yet.</source>
            <translation>%1행. 아직 검사하지 않았습니다.</translation>
        </message>
        <message>
            <source>%1 rows checked, all usable. The longest has %2 tokens.</source>
            <translation>%1행을 검사했고 모두 쓸 수 있습니다. 가장 긴 행은 %2토큰입니다.</translation>
        </message>
        <message numerus="yes">
            <source>%1 rows checked, %2 usable, %n findings. The longest has %3 tokens.</source>
            <translation>
                <numerusform>%1행을 검사했습니다. %2행을 쓸 수 있고 문제 %n건이 있습니다. 가장 긴 행은 %3토큰입니다.</numerusform>
            </translation>
        </message>
        <message>
            <source>Rows of %1</source>
            <translation>%1의 행</translation>
        </message>
        <message>
            <source>From &amp;pictures…</source>
            <translation>이미지에서(&amp;P)…</translation>
        </message>
        <message>
            <source>A folder of pictures becomes rows: ask, answer, compare, judge</source>
            <translation>이미지 폴더를 행으로 만듭니다. 묻고, 답하고, 견주고, 평가합니다</translation>
        </message>
        <message>
            <source>A file of rows, or a folder; drop one here</source>
            <translation>행 파일이나 폴더. 여기에 끌어다 놓아도 됩니다</translation>
        </message>
        <message>
            <source>&amp;Open</source>
            <translation>열기(&amp;O)</translation>
        </message>
        <message>
            <source>A &amp;file of rows…</source>
            <translation>행 파일(&amp;F)…</translation>
        </message>
        <message>
            <source>A f&amp;older…</source>
            <translation>폴더(&amp;O)…</translation>
        </message>
        <message>
            <source>&amp;Download from a hub…</source>
            <translation>허브에서 받기(&amp;D)…</translation>
        </message>
        <message>
            <source>Rows (*.jsonl *.json *.ndjson *.csv *.tsv *.parquet *.arrow *.tar)</source>
            <translation>행 (*.jsonl *.json *.ndjson *.csv *.tsv *.parquet *.arrow *.tar)</translation>
        </message>
        <message>
            <source>Open a folder of rows</source>
            <translation>행 폴더 열기</translation>
        </message>
        <message>
            <source>Open or drop a file or a folder of rows: JSON lines, JSON, CSV, Parquet, Arrow, tar, a dataset of the datasets library, or pictures with their captions beside them.</source>
            <translation>행 파일이나 폴더를 열거나 끌어다 놓으세요: JSON 줄, JSON, CSV, Parquet, Arrow, tar, datasets 라이브러리의 데이터셋, 설명 글이 옆에 있는 그림.</translation>
        </message>
        <message>
            <source>%1 of them are shown.</source>
            <translation>그중 %1개를 보고 있습니다.</translation>
        </message>
        <message>
            <source>Leave out all like it</source>
            <translation>같은 종류 모두 빼기</translation>
        </message>
        <message>
            <source>Put it right</source>
            <translation>고치기</translation>
        </message>
        <message>
            <source>Put all like it right</source>
            <translation>같은 종류 모두 고치기</translation>
        </message>
        <message>
            <source>Write a copy…</source>
            <translation>사본 쓰기…</translation>
        </message>
        <message>
            <source>Take it back</source>
            <translation>되돌리기</translation>
        </message>
        <message>
            <source>Leave it out</source>
            <translation>빼기</translation>
        </message>
        <message>
            <source>%1 left out, %2 put right</source>
            <translation>%1개 뺌, %2개 고침</translation>
        </message>
        <message>
            <source>The rows have columns that are called otherwise than rows are read by.</source>
            <translation>행의 열 이름이 읽는 이름과 다릅니다.</translation>
        </message>
        <message>
            <source>Choose columns…</source>
            <translation>열 고르기…</translation>
        </message>
        <message>
            <source>Written: %1</source>
            <translation>썼습니다: %1</translation>
        </message>
        <message>
            <source>Written: %1 and %2</source>
            <translation>썼습니다: %1, %2</translation>
        </message>
    </context>
    <context>
        <name>luthier::EventTable</name>
        <message>
            <source>Events of the run</source>
            <translation>학습 중 일어난 일</translation>
        </message>
        <message>
            <source>Time</source>
            <translation>시각</translation>
        </message>
        <message>
            <source>Step</source>
            <translation>스텝</translation>
        </message>
        <message>
            <source>Event</source>
            <translation>일</translation>
        </message>
        <message>
            <source>Detail</source>
            <translation>내용</translation>
        </message>
    </context>
    <context>
        <name>luthier::FieldEditor</name>
        <message>
            <source>Rows (*.jsonl *.json)</source>
            <translation>데이터 행 (*.jsonl *.json)</translation>
        </message>
        <message>
            <source>Back to the default</source>
            <translation>기본값으로 되돌리기</translation>
        </message>
        <message>
            <source>%1: back to the default</source>
            <translation>%1: 기본값으로 되돌리기</translation>
        </message>
        <message>
            <source>%1: browse</source>
            <translation>%1: 찾아보기</translation>
        </message>
    </context>
    <context>
        <name>luthier::ForecastCard</name>
        <message>
            <source>Memory forecast</source>
            <translation>메모리 예측</translation>
        </message>
        <message>
            <source>Tr&amp;y one step</source>
            <translation>한 스텝 시험(&amp;Y)</translation>
        </message>
        <message>
            <source>One step on the longest row, nothing written: what memory it really takes</source>
            <translation>가장 긴 행으로 한 스텝만 돌려 실제 메모리를 잽니다. 아무것도 저장하지 않습니다</translation>
        </message>
        <message>
            <source>&amp;Launch</source>
            <translation>학습 시작(&amp;L)</translation>
        </message>
        <message>
            <source>Train with these settings (F5)</source>
            <translation>이 설정으로 학습합니다 (F5)</translation>
        </message>
        <message>
            <source>Choose a model and training data: the forecast follows every setting.</source>
            <translation>모델과 학습 데이터를 고르세요. 설정을 바꿀 때마다 예측이 따라 바뀝니다.</translation>
        </message>
        <message>
            <source>Choose training data: the forecast needs its longest row.</source>
            <translation>학습 데이터를 고르세요. 가장 긴 행을 알아야 예측할 수 있습니다.</translation>
        </message>
        <message>
            <source>Reading the lengths of the rows…</source>
            <translation>행의 길이를 읽는 중…</translation>
        </message>
        <message>
            <source>weights</source>
            <translation>가중치</translation>
        </message>
        <message>
            <source>adapter</source>
            <translation>어댑터</translation>
        </message>
        <message>
            <source>gradients</source>
            <translation>기울기</translation>
        </message>
        <message>
            <source>optimizer</source>
            <translation>옵티마이저</translation>
        </message>
        <message>
            <source>activations</source>
            <translation>활성값</translation>
        </message>
        <message>
            <source>workspace</source>
            <translation>작업 공간</translation>
        </message>
        <message>
            <source>CUDA context</source>
            <translation>CUDA 컨텍스트</translation>
        </message>
        <message>
            <source>cuBLAS</source>
            <translation>cuBLAS</translation>
        </message>
        <message>
            <source>fragmentation</source>
            <translation>단편화</translation>
        </message>
        <message>
            <source>recordings</source>
            <translation>녹화된 단계</translation>
        </message>
        <message>
            <source>%1 of %2 free</source>
            <translation>%1 / 여유 %2</translation>
        </message>
        <message>
            <source>%1 trainable parameters (%2 of the base)</source>
            <translation>학습할 파라미터 %1개 (베이스의 %2)</translation>
        </message>
        <message>
            <source>%1 trainable parameters</source>
            <translation>학습할 파라미터 %1개</translation>
        </message>
        <message>
            <source>It will not fit: %1 are needed, %2 are free.</source>
            <translation>메모리가 모자랍니다. %1이 필요한데 %2만 남아 있습니다.</translation>
        </message>
        <message>
            <source>%1 of the optimizer's state wait in the machine's memory.</source>
            <translation>옵티마이저 상태 중 %1은 컴퓨터 메모리에서 기다립니다.</translation>
        </message>
        <message>
            <source>It will not be started like this.</source>
            <translation>이대로는 시작하지 않습니다.</translation>
        </message>
        <message>
            <source>Trying one step on the longest row…</source>
            <translation>가장 긴 행으로 한 스텝을 시험하는 중…</translation>
        </message>
        <message>
            <source>Measured: %1 (forecast %2, off by %3 %), %4 s a step.</source>
            <translation>실측 %1 (예측 %2, 오차 %3 %), 한 스텝에 %4초.</translation>
        </message>
        <message>
            <source>Of the last valid settings: %1</source>
            <translation>마지막으로 올바른 설정 기준: %1</translation>
        </message>
    </context>
    <context>
        <name>luthier::FetchDialog</name>
        <message numerus="yes">
            <source>Complete and checked: %n files, %1. It is in %2.</source>
            <translation>
                <numerusform>모두 받아 확인했습니다: 파일 %n개, %1. 위치: %2</numerusform>
            </translation>
        </message>
        <message>
            <source>Download from a hub</source>
            <translation>허브에서 내려받기</translation>
        </message>
        <message>
            <source>Download a model from a hub</source>
            <translation>허브에서 모델 내려받기</translation>
        </message>
        <message>
            <source>&amp;Repository</source>
            <translation>저장소(&amp;R)</translation>
        </message>
        <message>
            <source>organisation/name</source>
            <translation>조직/이름</translation>
        </message>
        <message>
            <source>Repository</source>
            <translation>저장소</translation>
        </message>
        <message>
            <source>Re&amp;vision</source>
            <translation>리비전(&amp;V)</translation>
        </message>
        <message>
            <source>Revision</source>
            <translation>리비전</translation>
        </message>
        <message>
            <source>From %1 into %2, where other tools find it too. Only safetensors, JSON, templates and tokenizer files are fetched, and each is checked against the hash that the hub publishes. HF_ENDPOINT names another hub, HF_TOKEN opens gated repositories.</source>
            <translation>%1에서 %2로 내려받으며, 다른 도구에서도 쓸 수 있습니다. safetensors, JSON, 템플릿, 토크나이저 파일만 받고, 파일마다 허브가 공개한 해시와 맞는지 확인합니다. 다른 허브는 HF_ENDPOINT로 지정하고, 접근이 제한된 저장소는 HF_TOKEN으로 엽니다.</translation>
        </message>
        <message>
            <source>&amp;Download</source>
            <translation>내려받기(&amp;D)</translation>
        </message>
        <message>
            <source>&amp;Stop the download</source>
            <translation>내려받기 멈추기(&amp;S)</translation>
        </message>
        <message>
            <source>&amp;Load it</source>
            <translation>불러오기(&amp;L)</translation>
        </message>
        <message>
            <source>&amp;Close</source>
            <translation>닫기(&amp;C)</translation>
        </message>
        <message>
            <source>Asking the hub what the repository holds…</source>
            <translation>저장소에 무엇이 있는지 허브에 묻는 중…</translation>
        </message>
        <message>
            <source>File %1 of %2: %3</source>
            <translation>파일 %1/%2: %3</translation>
        </message>
        <message>
            <source>%1 of %2</source>
            <translation>%1 / %2</translation>
        </message>
        <message>
            <source>checking</source>
            <translation>확인 중</translation>
        </message>
        <message>
            <source>waiting for another program that fetches it</source>
            <translation>다른 프로그램이 받고 있어 기다리는 중</translation>
        </message>
        <message>
            <source>%1/s</source>
            <translation>초당 %1</translation>
        </message>
        <message>
            <source>%1 left</source>
            <translation>%1 남음</translation>
        </message>
        <message>
            <source>Stopped. What came is kept; download again to go on from there.</source>
            <translation>멈췄습니다. 받은 것은 남아 있으니, 다시 내려받으면 이어서 받습니다.</translation>
        </message>
        <message>
            <source>Download a dataset from a hub</source>
            <translation>허브에서 데이터셋 받기</translation>
        </message>
        <message>
            <source>From %1 into %2, where other tools find it too. Rows (Parquet, Arrow, JSON, CSV, tar) and pictures are fetched, and each file is checked against the hash that the hub publishes. HF_ENDPOINT names another hub, HF_TOKEN opens gated repositories.</source>
            <translation>%1에서 %2(으)로 받으며, 다른 도구도 거기서 찾습니다. 행(Parquet, Arrow, JSON, CSV, tar)과 그림을 받고, 파일마다 허브가 알린 해시와 맞춰 봅니다. HF_ENDPOINT로 다른 허브를, HF_TOKEN으로 제한된 저장소를 쓸 수 있습니다.</translation>
        </message>
        <message>
            <source>&amp;Use it</source>
            <translation>쓰기(&amp;U)</translation>
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
            <translation>모델 폴더 열기</translation>
        </message>
        <message>
            <source>The run “%1” was interrupted at step %2 of %3. It can go on from step %4.</source>
            <translation>“%1” 실행이 %3 스텝 중 %2 스텝에서 중단되었습니다. %4 스텝부터 이어서 학습할 수 있습니다.</translation>
        </message>
        <message>
            <source>Resume</source>
            <translation>이어서 학습</translation>
        </message>
        <message>
            <source>Not now</source>
            <translation>나중에</translation>
        </message>
    </context>
    <context>
        <name>luthier::ModelList</name>
        <message>
            <source>On this machine</source>
            <translation>이 컴퓨터에 있는 모델</translation>
        </message>
        <message>
            <source>Models on this machine</source>
            <translation>이 컴퓨터에 있는 모델</translation>
        </message>
        <message>
            <source>&amp;Load the chosen model</source>
            <translation>고른 모델 불러오기(&amp;L)</translation>
        </message>
        <message>
            <source>&amp;Open a folder…</source>
            <translation>폴더 열기(&amp;O)…</translation>
        </message>
        <message>
            <source>A folder as transformers writes it: config.json, safetensors, tokenizer (Ctrl+O)</source>
            <translation>transformers가 저장한 폴더: config.json, safetensors, 토크나이저 (Ctrl+O)</translation>
        </message>
        <message>
            <source>teaching model, ships with Luthier</source>
            <translation>Luthier에 들어 있는 교육용 모델</translation>
        </message>
        <message>
            <source>opened before</source>
            <translation>전에 열었던 모델</translation>
        </message>
        <message>
            <source>in the hub's cache</source>
            <translation>허브 캐시에 있음</translation>
        </message>
        <message>
            <source>Open a model folder</source>
            <translation>모델 폴더 열기</translation>
        </message>
        <message>
            <source>&amp;Add a folder to the list…</source>
            <translation>목록에 폴더 추가(&amp;A)…</translation>
        </message>
        <message>
            <source>A checkpoint, or a folder that holds checkpoints; it stays in this list</source>
            <translation>체크포인트 폴더 또는 체크포인트가 든 폴더. 이 목록에 계속 남습니다</translation>
        </message>
        <message>
            <source>Remove from the list</source>
            <translation>목록에서 빼기</translation>
        </message>
        <message>
            <source>Fetches a repository into the Hugging Face cache, where other tools find it too</source>
            <translation>저장소를 Hugging Face 캐시로 내려받습니다. 다른 도구에서도 쓸 수 있습니다</translation>
        </message>
        <message>
            <source>not finished</source>
            <translation>다 받지 못함</translation>
        </message>
        <message>
            <source>not loadable</source>
            <translation>불러올 수 없음</translation>
        </message>
        <message>
            <source>looking…</source>
            <translation>확인 중…</translation>
        </message>
        <message>
            <source>in a folder that you added</source>
            <translation>추가한 폴더에 있음</translation>
        </message>
        <message>
            <source>&amp;Downloading… %1</source>
            <translation>내려받는 중(&amp;D)… %1</translation>
        </message>
        <message>
            <source>&amp;Finish its download…</source>
            <translation>이어서 내려받기(&amp;F)…</translation>
        </message>
        <message>
            <source>&amp;Download from a hub…</source>
            <translation>허브에서 내려받기(&amp;D)…</translation>
        </message>
        <message>
            <source>Add a folder of models</source>
            <translation>모델 폴더 추가</translation>
        </message>
    </context>
    <context>
        <name>luthier::ModelPage</name>
        <message>
            <source>No model is loaded</source>
            <translation>불러온 모델이 없습니다</translation>
        </message>
        <message>
            <source>Open the folder of a checkpoint as transformers writes it, for pictures and text or for text alone, or load the teaching model from the list on the left.</source>
            <translation>transformers 형식의 체크포인트 폴더(그림과 글을 읽는 모델이나 글만 읽는 모델)를 열거나, 왼쪽 목록에서 교육용 모델을 불러오세요.</translation>
        </message>
        <message>
            <source>Open a folder…</source>
            <translation>폴더 열기…</translation>
        </message>
        <message>
            <source>Loading…</source>
            <translation>불러오는 중…</translation>
        </message>
        <message numerus="yes">
            <source>%1 · %2 on disk in %n files · loaded on %3 as %4 in %5 s</source>
            <translation>
                <numerusform>%1 · 디스크에 %2, 파일 %n개 · %3에 %4 형식으로 %5초 만에 불러옴</numerusform>
            </translation>
        </message>
    </context>
    <context>
        <name>luthier::ModuleTree</name>
        <message>
            <source>Modules</source>
            <translation>모듈</translation>
        </message>
        <message>
            <source>Filter, e.g. q_proj</source>
            <translation>거르기, 예: q_proj</translation>
        </message>
        <message>
            <source>Filter the modules</source>
            <translation>모듈 거르기</translation>
        </message>
        <message numerus="yes">
            <source>%1 parameters train (%2 of %3 in the base), in %n modules</source>
            <translation>
                <numerusform>모듈 %n개에서 파라미터 %1개를 학습합니다 (베이스 %3개의 %2)</numerusform>
            </translation>
        </message>
        <message>
            <source>Tick linear layers to give them an adapter. Space ticks the row; with a filter, a branch's tick counts for what is shown.</source>
            <translation>어댑터를 붙일 선형 층에 표시하세요. 스페이스바로도 표시할 수 있고, 거르는 중에 가지에 표시하면 보이는 것만 바뀝니다.</translation>
        </message>
        <message>
            <source>The method “%1” chooses what trains; parts are kept fixed on the Train page.</source>
            <translation>무엇을 학습할지는 “%1” 방식이 정합니다. 고정할 부분은 학습 페이지에서 고르세요.</translation>
        </message>
        <message>
            <source>No module is called so</source>
            <translation>그런 이름의 모듈이 없습니다</translation>
        </message>
        <message>
            <source>No module's name holds “%1”. The filter looks for a part of the whole name, such as layers.0 or q_proj.</source>
            <translation>이름에 “%1”이(가) 든 모듈이 없습니다. layers.0이나 q_proj처럼 전체 이름의 한 부분을 찾습니다.</translation>
        </message>
        <message>
            <source>Clear the filter</source>
            <translation>거르기 풀기</translation>
        </message>
    </context>
    <context>
        <name>luthier::ModuleTreeModel</name>
        <message>
            <source>trains</source>
            <translation>학습함</translation>
        </message>
        <message>
            <source>fixed</source>
            <translation>고정</translation>
        </message>
        <message>
            <source>trains in part</source>
            <translation>일부 학습</translation>
        </message>
        <message>
            <source>Module</source>
            <translation>모듈</translation>
        </message>
        <message>
            <source>Type</source>
            <translation>종류</translation>
        </message>
        <message>
            <source>Shape</source>
            <translation>모양</translation>
        </message>
        <message>
            <source>Dtype</source>
            <translation>자료형</translation>
        </message>
        <message>
            <source>Parameters</source>
            <translation>파라미터</translation>
        </message>
        <message>
            <source>Trains</source>
            <translation>학습</translation>
        </message>
    </context>
    <context>
        <name>luthier::NavRail</name>
        <message>
            <source>&amp;Model</source>
            <translation>모델(&amp;M)</translation>
        </message>
        <message>
            <source>&amp;Data</source>
            <translation>데이터(&amp;D)</translation>
        </message>
        <message>
            <source>&amp;Train</source>
            <translation>학습(&amp;T)</translation>
        </message>
        <message>
            <source>&amp;Compare</source>
            <translation>비교(&amp;C)</translation>
        </message>
        <message>
            <source>&amp;Runs</source>
            <translation>기록(&amp;R)</translation>
        </message>
        <message>
            <source>Language</source>
            <translation>언어</translation>
        </message>
        <message>
            <source>Theme</source>
            <translation>테마</translation>
        </message>
        <message>
            <source>As the system</source>
            <translation>시스템 설정대로</translation>
        </message>
        <message>
            <source>Light</source>
            <translation>밝게</translation>
        </message>
        <message>
            <source>Dark</source>
            <translation>어둡게</translation>
        </message>
        <message>
            <source>Met&amp;hods</source>
            <translation>방식(&amp;H)</translation>
        </message>
        <message>
            <source>Mer&amp;ge</source>
            <translation>병합(&amp;G)</translation>
        </message>
        <message>
            <source>Ran&amp;ks</source>
            <translation>랭크(&amp;K)</translation>
        </message>
        <message>
            <source>St&amp;art</source>
            <translation>시작(&amp;A)</translation>
        </message>
        <message>
            <source>Help</source>
            <translation>도움말</translation>
        </message>
        <message>
            <source>Guided tour</source>
            <translation>둘러보기</translation>
        </message>
        <message>
            <source>Help on this page</source>
            <translation>이 페이지 도움말</translation>
        </message>
        <message>
            <source>Keyboard shortcuts</source>
            <translation>단축키</translation>
        </message>
        <message>
            <source>Words</source>
            <translation>글자</translation>
        </message>
        <message>
            <source>Larger</source>
            <translation>크게</translation>
        </message>
        <message>
            <source>Smaller</source>
            <translation>작게</translation>
        </message>
        <message>
            <source>Usual size</source>
            <translation>보통 크기</translation>
        </message>
        <message>
            <source>Projector</source>
            <translation>프로젝터</translation>
        </message>
        <message>
            <source>Tell the desktop when a run ends</source>
            <translation>실행이 끝나면 바탕 화면에 알리기</translation>
        </message>
        <message>
            <source>Language, theme and size of words</source>
            <translation>언어, 테마, 글자 크기</translation>
        </message>
        <message>
            <source>&amp;Lab</source>
            <translation>실험실(&amp;L)</translation>
        </message>
    </context>
    <context>
        <name>luthier::Page</name>
        <message>
            <source>Start anew</source>
            <translation>다시 시작</translation>
        </message>
        <message>
            <source>Start anew and resume</source>
            <translation>다시 시작하고 이어서 하기</translation>
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
            <translation>비전 타워</translation>
        </message>
        <message>
            <source>%1 layers, width %2, %3 heads</source>
            <translation>%1층, 폭 %2, 헤드 %3개</translation>
        </message>
        <message>
            <source>no layers, width %1</source>
            <translation>층 없음, 폭 %1</translation>
        </message>
        <message>
            <source>Projector</source>
            <translation>프로젝터</translation>
        </message>
        <message>
            <source>%1 → %2</source>
            <translation>%1 → %2</translation>
        </message>
        <message>
            <source>Language model</source>
            <translation>언어 모델</translation>
        </message>
        <message>
            <source>%1 layers, width %2, %3 heads, %4 words</source>
            <translation>%1층, 폭 %2, 헤드 %3개, 어휘 %4개</translation>
        </message>
        <message>
            <source>picture
%1 × %2</source>
            <translation>그림
%1 × %2</translation>
        </message>
        <message>
            <source>%1 patches</source>
            <translation>패치 %1개</translation>
        </message>
        <message>
            <source>%1 tokens</source>
            <translation>토큰 %1개</translation>
        </message>
        <message>
            <source>one token</source>
            <translation>토큰 하나</translation>
        </message>
        <message>
            <source>%1 to %2</source>
            <translation>%1~%2</translation>
        </message>
        <message>
            <source>tokens by its shape</source>
            <translation>그림 모양에 따른 토큰</translation>
        </message>
        <message>
            <source>Every picture is brought to %1 × %2 pixels.</source>
            <translation>모든 그림을 %1 × %2픽셀로 바꿉니다.</translation>
        </message>
        <message>
            <source>picture
%1 tiles
%2 × %3</source>
            <translation>그림
타일 %1개
%2 × %3</translation>
        </message>
        <message>
            <source>%1 patches a tile</source>
            <translation>타일마다 패치 %1개</translation>
        </message>
        <message>
            <source>A picture's shape decides into how many tiles of %1 × %2 pixels it is cut.</source>
            <translation>그림의 모양에 따라 %1 × %2픽셀 타일 몇 개로 나눌지 정해집니다.</translation>
        </message>
        <message>
            <source>picture
of any size</source>
            <translation>그림
크기 자유</translation>
        </message>
        <message>
            <source>A picture keeps its shape, and its size decides how many patches it has, between the bounds of the picture processor or those of the settings.</source>
            <translation>그림의 모양은 그대로 두고, 크기에 따라 패치 수가 정해집니다. 한도는 그림 처리기나 설정을 따릅니다.</translation>
        </message>
        <message>
            <source>picture</source>
            <translation>그림</translation>
        </message>
        <message>
            <source>patches</source>
            <translation>패치</translation>
        </message>
        <message>
            <source>tokens</source>
            <translation>토큰</translation>
        </message>
    </context>
    <context>
        <name>luthier::RecipeForm</name>
        <message>
            <source>Settings</source>
            <translation>설정</translation>
        </message>
        <message>
            <source>Ad&amp;vanced</source>
            <translation>고급(&amp;V)</translation>
        </message>
        <message>
            <source>Show every setting</source>
            <translation>모든 설정 보기</translation>
        </message>
        <message>
            <source>Reset</source>
            <translation>초기화</translation>
        </message>
        <message>
            <source>All settings back to their defaults; model, data and run folder stay</source>
            <translation>모든 설정을 기본값으로 되돌립니다. 모델, 데이터, 저장 폴더는 그대로 둡니다</translation>
        </message>
        <message>
            <source>Recipe: load, save, command line</source>
            <translation>레시피: 불러오기, 저장, 명령줄</translation>
        </message>
        <message>
            <source>Recipe</source>
            <translation>레시피</translation>
        </message>
        <message>
            <source>Load a recipe…</source>
            <translation>레시피 불러오기…</translation>
        </message>
        <message>
            <source>Save the recipe…</source>
            <translation>레시피 저장…</translation>
        </message>
        <message>
            <source>Show the command line</source>
            <translation>명령줄 보기</translation>
        </message>
        <message>
            <source>all at their defaults</source>
            <translation>모두 기본값</translation>
        </message>
        <message numerus="yes">
            <source>%n changed</source>
            <translation>
                <numerusform>%n개 바꿈</numerusform>
            </translation>
        </message>
        <message>
            <source>Load a recipe</source>
            <translation>레시피 불러오기</translation>
        </message>
        <message>
            <source>Recipes (*.yaml *.yml)</source>
            <translation>레시피 (*.yaml *.yml)</translation>
        </message>
        <message>
            <source>Save the recipe</source>
            <translation>레시피 저장</translation>
        </message>
        <message>
            <source>The recipe was written to %1.</source>
            <translation>레시피를 %1에 저장했습니다.</translation>
        </message>
        <message>
            <source>Undo</source>
            <translation>실행 취소</translation>
        </message>
        <message>
            <source>Redo</source>
            <translation>다시 실행</translation>
        </message>
    </context>
    <context>
        <name>luthier::RowModel</name>
        <message>
            <source>not usable</source>
            <translation>쓸 수 없음</translation>
        </message>
        <message>
            <source>Row</source>
            <translation>행</translation>
        </message>
        <message>
            <source>Picture</source>
            <translation>그림</translation>
        </message>
        <message>
            <source>Words</source>
            <translation>내용</translation>
        </message>
        <message>
            <source>Tokens</source>
            <translation>토큰</translation>
        </message>
        <message>
            <source>Findings</source>
            <translation>발견된 문제</translation>
        </message>
        <message>
            <source>left out</source>
            <translation>뺌</translation>
        </message>
        <message>
            <source>put right</source>
            <translation>고침</translation>
        </message>
    </context>
    <context>
        <name>luthier::RowView</name>
        <message>
            <source>The conversation</source>
            <translation>대화</translation>
        </message>
        <message>
            <source>The tokens</source>
            <translation>토큰</translation>
        </message>
        <message numerus="yes">
            <source>picture: %n tokens</source>
            <translation>
                <numerusform>그림: 토큰 %n개</numerusform>
            </translation>
        </message>
        <message numerus="yes">
            <source>%n tokens cut off by the context length</source>
            <translation>
                <numerusform>최대 길이를 넘어 잘린 토큰 %n개</numerusform>
            </translation>
        </message>
        <message>
            <source>Row %1 as the model gets it</source>
            <translation>모델이 보는 %1번 행</translation>
        </message>
        <message>
            <source>learned (underlined)</source>
            <translation>학습함(밑줄)</translation>
        </message>
        <message>
            <source>masked</source>
            <translation>가림</translation>
        </message>
        <message>
            <source>picture</source>
            <translation>그림</translation>
        </message>
        <message>
            <source>cut off</source>
            <translation>잘림</translation>
        </message>
        <message>
            <source>✓ step %1, right</source>
            <translation>✓ %1단계, 맞음</translation>
        </message>
        <message>
            <source>✗ step %1, wrong</source>
            <translation>✗ %1단계, 틀림</translation>
        </message>
        <message>
            <source>&amp;Inspect…</source>
            <translation>들여다보기(&amp;I)…</translation>
        </message>
        <message>
            <source>Pixels with the grid of patches, positions, what was cut off, the loss of each token</source>
            <translation>패치 격자를 얹은 픽셀, 위치, 잘린 부분, 토큰마다의 손실</translation>
        </message>
    </context>
    <context>
        <name>luthier::RunCurves</name>
        <message>
            <source>Loss</source>
            <translation>손실</translation>
        </message>
        <message>
            <source>Memory</source>
            <translation>메모리</translation>
        </message>
        <message>
            <source>Learning rate</source>
            <translation>학습률</translation>
        </message>
        <message>
            <source>Figures</source>
            <translation>지표</translation>
        </message>
        <message>
            <source>Which of the objective&apos;s figures are shown</source>
            <translation>목표의 지표 가운데 보이는 것</translation>
        </message>
        <message>
            <source>Gradient norm</source>
            <translation>기울기 크기</translation>
        </message>
        <message>
            <source>Tokens/s</source>
            <translation>초당 토큰</translation>
        </message>
        <message>
            <source>Steps</source>
            <translation>스텝</translation>
        </message>
        <message>
            <source>Epochs</source>
            <translation>에폭</translation>
        </message>
        <message>
            <source>What the horizontal axis counts</source>
            <translation>가로축 단위</translation>
        </message>
        <message>
            <source>Log</source>
            <translation>로그축</translation>
        </message>
        <message>
            <source>Logarithmic loss axis</source>
            <translation>손실 축을 로그로</translation>
        </message>
        <message>
            <source>Clip</source>
            <translation>자르기</translation>
        </message>
        <message>
            <source>Cut the loss axis at the 99th percentile, so that a spike does not flatten the rest</source>
            <translation>손실 축을 99백분위에서 잘라, 튀는 값 때문에 나머지가 납작해지지 않게 합니다</translation>
        </message>
        <message>
            <source>EMA</source>
            <translation>EMA</translation>
        </message>
        <message>
            <source>How much the smoothed curve is smoothed: 0 is the raw curve</source>
            <translation>평활 곡선을 얼마나 매끄럽게 할지 정합니다. 0이면 원래 곡선입니다</translation>
        </message>
        <message>
            <source>Smoothing</source>
            <translation>평활</translation>
        </message>
        <message>
            <source>Export the curves</source>
            <translation>그래프 내보내기</translation>
        </message>
        <message>
            <source>As a picture (PNG)…</source>
            <translation>그림으로(PNG)…</translation>
        </message>
        <message>
            <source>As a table (CSV)…</source>
            <translation>표로(CSV)…</translation>
        </message>
        <message>
            <source>raw</source>
            <translation>원래 값</translation>
        </message>
        <message>
            <source>smoothed</source>
            <translation>평활</translation>
        </message>
        <message>
            <source>evaluation</source>
            <translation>평가</translation>
        </message>
        <message>
            <source>%1, evaluation</source>
            <translation>%1, 평가</translation>
        </message>
        <message>
            <source>Memory (GiB)</source>
            <translation>메모리 (GiB)</translation>
        </message>
        <message>
            <source>Memory (MiB)</source>
            <translation>메모리 (MiB)</translation>
        </message>
        <message>
            <source>weights</source>
            <translation>가중치</translation>
        </message>
        <message>
            <source>adapter</source>
            <translation>어댑터</translation>
        </message>
        <message>
            <source>gradients</source>
            <translation>기울기</translation>
        </message>
        <message>
            <source>optimizer</source>
            <translation>옵티마이저</translation>
        </message>
        <message>
            <source>activations</source>
            <translation>활성값</translation>
        </message>
        <message>
            <source>forecast</source>
            <translation>예측</translation>
        </message>
        <message>
            <source>%1, peak</source>
            <translation>%1, 최대</translation>
        </message>
        <message>
            <source>Step %1 · epoch %2</source>
            <translation>%1 스텝 · %2 에폭</translation>
        </message>
        <message>
            <source>%1, raw</source>
            <translation>%1, 원본</translation>
        </message>
        <message>
            <source>Tokens</source>
            <translation>토큰</translation>
        </message>
        <message>
            <source>Time</source>
            <translation>시간</translation>
        </message>
        <message>
            <source>A run that has not logged its tokens or times is not drawn over that axis</source>
            <translation>토큰이나 시간을 기록하지 않은 학습은 그 축에서는 그리지 않습니다</translation>
        </message>
        <message>
            <source>Step %1 · %2 tokens</source>
            <translation>스텝 %1 · 토큰 %2개</translation>
        </message>
        <message>
            <source>Step %1 · %2</source>
            <translation>스텝 %1 · %2</translation>
        </message>
    </context>
    <context>
        <name>luthier::RunHeader</name>
        <message>
            <source>No model is loaded</source>
            <translation>불러온 모델이 없습니다</translation>
        </message>
        <message>
            <source>step %1/%2</source>
            <translation>%1/%2 스텝</translation>
        </message>
        <message>
            <source>%1 left</source>
            <translation>%1 남음</translation>
        </message>
        <message>
            <source>Resume</source>
            <translation>이어서 학습</translation>
        </message>
        <message>
            <source>Pause</source>
            <translation>일시 정지</translation>
        </message>
        <message>
            <source>Launch</source>
            <translation>학습 시작</translation>
        </message>
        <message>
            <source>Stop…</source>
            <translation>중지…</translation>
        </message>
        <message>
            <source>Save a checkpoint now</source>
            <translation>지금 체크포인트 저장</translation>
        </message>
        <message>
            <source>Cancel loading</source>
            <translation>불러오기 취소</translation>
        </message>
        <message>
            <source>holds a merge</source>
            <translation>병합이 들어 있음</translation>
        </message>
        <message>
            <source>Pausing keeps the model loaded, for asking it something</source>
            <translation>일시 정지해도 모델이 남아 있어 질문할 수 있습니다</translation>
        </message>
        <message>
            <source>Train with the settings of the Train page</source>
            <translation>학습 페이지의 설정으로 학습합니다</translation>
        </message>
    </context>
    <context>
        <name>luthier::RunListModel</name>
        <message>
            <source>cannot be read</source>
            <translation>읽을 수 없음</translation>
        </message>
        <message>
            <source>Run</source>
            <translation>이름</translation>
        </message>
        <message>
            <source>State</source>
            <translation>상태</translation>
        </message>
        <message>
            <source>Base</source>
            <translation>베이스</translation>
        </message>
        <message>
            <source>Method</source>
            <translation>방식</translation>
        </message>
        <message>
            <source>Data</source>
            <translation>데이터</translation>
        </message>
        <message>
            <source>Steps</source>
            <translation>스텝</translation>
        </message>
        <message>
            <source>Last loss</source>
            <translation>마지막 손실</translation>
        </message>
        <message>
            <source>Best evaluation</source>
            <translation>최저 평가 손실</translation>
        </message>
        <message>
            <source>Peak memory</source>
            <translation>최대 메모리</translation>
        </message>
        <message>
            <source>Started</source>
            <translation>시작</translation>
        </message>
        <message>
            <source>Data: %1</source>
            <translation>데이터: %1</translation>
        </message>
        <message>
            <source>imported</source>
            <translation>가져옴</translation>
        </message>
        <message>
            <source>Forked from step %1 of %2, its optimizer carried on</source>
            <translation>%2의 %1스텝에서 옵티마이저까지 이어받아 분기</translation>
        </message>
        <message>
            <source>Forked from step %1 of %2, its weights alone</source>
            <translation>%2의 %1스텝에서 가중치만 가져와 분기</translation>
        </message>
        <message>
            <source>Tags</source>
            <translation>태그</translation>
        </message>
    </context>
    <context>
        <name>luthier::RunsPage</name>
        <message>
            <source>The folder that holds runs</source>
            <translation>학습 기록이 있는 폴더</translation>
        </message>
        <message>
            <source>Runs &amp;in</source>
            <translation>기록 폴더(&amp;I)</translation>
        </message>
        <message>
            <source>Choose the folder</source>
            <translation>폴더 고르기</translation>
        </message>
        <message>
            <source>Read again</source>
            <translation>다시 읽기</translation>
        </message>
        <message>
            <source>&amp;Use its settings</source>
            <translation>이 설정 쓰기(&amp;U)</translation>
        </message>
        <message>
            <source>Takes the selected run's settings to the Train page, with a new run folder</source>
            <translation>고른 기록의 설정을 새 저장 폴더와 함께 학습 페이지로 가져갑니다</translation>
        </message>
        <message>
            <source>R&amp;esume</source>
            <translation>이어서 학습(&amp;E)</translation>
        </message>
        <message>
            <source>Goes on from the selected run's newest checkpoint</source>
            <translation>고른 기록의 가장 최근 체크포인트에서 이어서 학습합니다</translation>
        </message>
        <message>
            <source>Compare the ticked</source>
            <translation>표시한 것 비교</translation>
        </message>
        <message>
            <source>Attaches the ticked runs' adapters on the Compare page</source>
            <translation>표시한 기록의 어댑터를 비교 페이지에 붙입니다</translation>
        </message>
        <message>
            <source>Past runs</source>
            <translation>지난 기록</translation>
        </message>
        <message>
            <source>Settings that differ</source>
            <translation>서로 다른 설정</translation>
        </message>
        <message>
            <source>Adapters are compared on a base: load its model first.</source>
            <translation>어댑터는 베이스 위에서 비교합니다. 먼저 모델을 불러오세요.</translation>
        </message>
        <message>
            <source>Choose a model</source>
            <translation>모델 고르기</translation>
        </message>
        <message>
            <source>No runs in this folder yet</source>
            <translation>이 폴더에는 아직 기록이 없습니다</translation>
        </message>
        <message>
            <source>Every run that trains is listed here with its curves, also after a restart. Launch one, or choose another folder above.</source>
            <translation>학습한 기록은 다시 시작한 뒤에도 그래프와 함께 여기에 남습니다. 학습을 시작하거나 위에서 다른 폴더를 고르세요.</translation>
        </message>
        <message>
            <source>Go to Train</source>
            <translation>학습으로 가기</translation>
        </message>
        <message>
            <source>Parts of the Runs page</source>
            <translation>기록 페이지의 부분</translation>
        </message>
        <message>
            <source>Queue (%1)</source>
            <translation>대기열 (%1)</translation>
        </message>
        <message>
            <source>Queue</source>
            <translation>대기열</translation>
        </message>
        <message>
            <source>Outcomes</source>
            <translation>결과 비교</translation>
        </message>
        <message>
            <source>Beside the curves</source>
            <translation>곡선 옆</translation>
        </message>
        <message>
            <source>Notes</source>
            <translation>메모</translation>
        </message>
        <message>
            <source>Search names, tags, notes, data, methods</source>
            <translation>이름, 태그, 메모, 데이터, 방식에서 찾기</translation>
        </message>
        <message>
            <source>Search the runs</source>
            <translation>학습 찾기</translation>
        </message>
        <message>
            <source>Tree</source>
            <translation>트리</translation>
        </message>
        <message>
            <source>Newest first, forks below the runs that they came from; a column's heading sorts by it</source>
            <translation>최신순으로, 분기한 학습은 원래 학습 아래에 둡니다. 열 제목을 누르면 그 열로 정렬합니다</translation>
        </message>
        <message>
            <source>Run</source>
            <translation>학습</translation>
        </message>
        <message>
            <source>What can be done with the selected run</source>
            <translation>선택한 학습으로 할 수 있는 일</translation>
        </message>
    </context>
    <context>
        <name>luthier::SampleCell</name>
        <message>
            <source>expected: %1</source>
            <translation>정답: %1</translation>
        </message>
        <message numerus="yes">
            <source>and %n more pictures</source>
            <translation>
                <numerusform>그림 %n개 더 있음</numerusform>
            </translation>
        </message>
        <message>
            <source>Score the expected answer: how likely every column holds each of its tokens</source>
            <translation>정답 채점: 모든 열이 토큰마다 얼마나 그럴듯하게 보는지</translation>
        </message>
        <message>
            <source>Score the expected answer by every column</source>
            <translation>정답을 모든 열로 채점</translation>
        </message>
    </context>
    <context>
        <name>luthier::StatusLine</name>
        <message numerus="yes">
            <source>%n runs wait</source>
            <translation>
                <numerusform>대기 중인 학습 %n개</numerusform>
            </translation>
        </message>
        <message>
            <source>Cancel this work</source>
            <translation>이 작업 취소</translation>
        </message>
        <message>
            <source>no device in use</source>
            <translation>사용 중인 장치 없음</translation>
        </message>
        <message>
            <source>Memory %1 · peak %2</source>
            <translation>메모리 %1 · 최대 %2</translation>
        </message>
        <message>
            <source>%1 tokens/s</source>
            <translation>초당 토큰 %1개</translation>
        </message>
        <message>
            <source>Last run: peak %1</source>
            <translation>지난 학습: 최대 %1</translation>
        </message>
        <message>
            <source>Memory %1</source>
            <translation>메모리 %1</translation>
        </message>
        <message>
            <source>What this program holds of the machine&apos;s memory</source>
            <translation>이 프로그램이 쓰고 있는 컴퓨터의 메모리</translation>
        </message>
    </context>
    <context>
        <name>luthier::StepLog</name>
        <message>
            <source>Log of the run</source>
            <translation>학습 로그</translation>
        </message>
        <message>
            <source>A line a step appears here once a run trains.</source>
            <translation>학습을 시작하면 스텝마다 한 줄씩 나옵니다.</translation>
        </message>
    </context>
    <context>
        <name>luthier::StopQuestion</name>
        <message>
            <source>Stop the run</source>
            <translation>학습 중지</translation>
        </message>
        <message>
            <source>Stop this run?</source>
            <translation>학습을 중지할까요?</translation>
        </message>
        <message>
            <source>&amp;Continue training</source>
            <translation>계속 학습(&amp;C)</translation>
        </message>
        <message>
            <source>&amp;Stop and save</source>
            <translation>저장하고 중지(&amp;S)</translation>
        </message>
        <message>
            <source>Throw this run away?</source>
            <translation>이 실행을 버릴까요?</translation>
        </message>
        <message>
            <source>What it learned since its last checkpoint is lost, and no adapter is written. This cannot be undone; the log and earlier checkpoints stay. Training goes on until you choose.</source>
            <translation>마지막 체크포인트 뒤에 학습한 내용은 사라지고 어댑터도 저장되지 않습니다. 되돌릴 수 없습니다. 기록과 이전 체크포인트는 남습니다. 고를 때까지 학습은 계속됩니다.</translation>
        </message>
        <message>
            <source>Stop and save writes the result and a checkpoint, so that the run can be resumed. Throwing it away saves nothing; the log stays. Training goes on until you choose.</source>
            <translation>‘멈추고 저장’은 결과와 체크포인트를 저장하므로 나중에 이어서 학습할 수 있습니다. 버리면 아무것도 저장되지 않고 기록만 남습니다. 고를 때까지 학습은 계속됩니다.</translation>
        </message>
        <message>
            <source>&amp;Throw the run away…</source>
            <translation>실행 버리기(&amp;T)…</translation>
        </message>
        <message>
            <source>&amp;Throw it away</source>
            <translation>버리기(&amp;T)</translation>
        </message>
        <message>
            <source>&amp;Keep the run</source>
            <translation>버리지 않기(&amp;K)</translation>
        </message>
        <message>
            <source>&amp;Leave it running</source>
            <translation>계속 두기(&amp;L)</translation>
        </message>
        <message>
            <source>It goes on without this window, and the Start page finds it again</source>
            <translation>이 창 없이 계속되며, 시작 페이지에서 다시 찾을 수 있습니다</translation>
        </message>
    </context>
    <context>
        <name>luthier::TargetChips</name>
        <message>
            <source>Every linear layer but the output one, vision tower included</source>
            <translation>출력층을 뺀 모든 선형 층, 비전 타워 포함</translation>
        </message>
    </context>
    <context>
        <name>luthier::TrainPage</name>
        <message>
            <source>The run in %1 is %2, after %3.</source>
            <translation>%1의 학습: %2, 걸린 시간 %3.</translation>
        </message>
        <message>
            <source>Compare it</source>
            <translation>비교하기</translation>
        </message>
        <message>
            <source>Log</source>
            <translation>로그</translation>
        </message>
        <message>
            <source>Events</source>
            <translation>일어난 일</translation>
        </message>
        <message>
            <source>Samples</source>
            <translation>질문</translation>
        </message>
        <message>
            <source>Launch into %1</source>
            <translation>%1에 저장하며 학습 시작</translation>
        </message>
        <message>
            <source>Resume that run</source>
            <translation>그 학습 이어서 하기</translation>
        </message>
        <message>
            <source>%1 holds a finished run.</source>
            <translation>%1에는 이미 끝난 실행이 있습니다.</translation>
        </message>
        <message>
            <source>%1 holds a run that can go on from step %2. These settings were not used.</source>
            <translation>%1에는 %2 스텝부터 이어서 학습할 수 있는 실행이 있습니다. 지금 설정은 쓰이지 않았습니다.</translation>
        </message>
        <message>
            <source>Filmstrip</source>
            <translation>필름</translation>
        </message>
        <message>
            <source>The run goes on there. The line is tried again, and nothing that happens meanwhile is missed.</source>
            <translation>실행은 그쪽에서 계속됩니다. 다시 잇고 있으며, 그동안 일어난 일은 하나도 빠지지 않습니다.</translation>
        </message>
        <message>
            <source>The run goes on without this window. The Start page finds it again.</source>
            <translation>실행은 이 창 없이 계속됩니다. 시작 페이지에서 다시 찾을 수 있습니다.</translation>
        </message>
    </context>
    <context>
        <name>luthier::AdapterMenu</name>
        <message>
            <source>Adapter</source>
            <translation>어댑터</translation>
        </message>
        <message>
            <source>From a finished run, or from the disk</source>
            <translation>끝난 학습에서, 또는 디스크에서 고릅니다</translation>
        </message>
        <message>
            <source>%1, its newest checkpoint</source>
            <translation>%1의 가장 새 체크포인트</translation>
        </message>
        <message>
            <source>Open a folder…</source>
            <translation>폴더 열기…</translation>
        </message>
        <message>
            <source>Open an adapter or a run</source>
            <translation>어댑터나 학습 폴더 열기</translation>
        </message>
    </context>
    <context>
        <name>luthier::WeightList</name>
        <message>
            <source>Weight of %1</source>
            <translation>%1의 가중치</translation>
        </message>
        <message>
            <source>1 is as trained, 0 leaves it out, below 0 takes it away</source>
            <translation>1은 학습된 그대로, 0은 뺀 것, 0보다 작으면 그만큼 덜어 냅니다</translation>
        </message>
        <message>
            <source>Take it out of the merge</source>
            <translation>병합에서 빼기</translation>
        </message>
        <message>
            <source>%1: take it out of the merge</source>
            <translation>%1: 병합에서 빼기</translation>
        </message>
    </context>
    <context>
        <name>luthier::CombinationForm</name>
        <message>
            <source>Combination type</source>
            <translation>결합 방식</translation>
        </message>
        <message>
            <source>Density</source>
            <translation>밀도</translation>
        </message>
        <message>
            <source>The share of the numbers that stays; 1 leaves out nothing</source>
            <translation>남기는 값의 비율. 1이면 아무것도 버리지 않습니다</translation>
        </message>
        <message>
            <source>Majority sign</source>
            <translation>다수 부호</translation>
        </message>
        <message>
            <source>total: by the sum</source>
            <translation>total: 합으로</translation>
        </message>
        <message>
            <source>frequency: by the number</source>
            <translation>frequency: 개수로</translation>
        </message>
        <message>
            <source>Rank of the result</source>
            <translation>결과의 랭크</translation>
        </message>
        <message>
            <source>the largest of them</source>
            <translation>가장 큰 랭크</translation>
        </message>
        <message>
            <source>Seed</source>
            <translation>시드</translation>
        </message>
        <message>
            <source>Of what is left out at random</source>
            <translation>무작위로 버릴 값을 정합니다</translation>
        </message>
        <message>
            <source>The pairs side by side: exactly the weighted sum. The ranks add up.</source>
            <translation>짝을 나란히 놓습니다. 정확한 가중합이며 랭크가 더해집니다.</translation>
        </message>
        <message>
            <source>A and B are summed apart: quick and of one rank, but not the sum of the changes.</source>
            <translation>A와 B를 따로 더합니다. 빠르고 랭크가 그대로지만 변화량의 합은 아닙니다.</translation>
        </message>
        <message>
            <source>The weighted sum of the changes, then the nearest pair of the chosen rank.</source>
            <translation>변화량의 가중합을 구한 뒤, 고른 랭크로 가장 가까운 짝을 씁니다.</translation>
        </message>
        <message>
            <source>Numbers left out at random and the rest grown; then a sign is elected, and those that have it are averaged.</source>
            <translation>값을 무작위로 버리고 나머지를 키운 뒤, 부호를 뽑아 그 부호를 가진 값을 평균합니다.</translation>
        </message>
        <message>
            <source>The small numbers are left out; then a sign is elected, and those that have it are averaged.</source>
            <translation>작은 값을 버린 뒤, 부호를 뽑아 그 부호를 가진 값을 평균합니다.</translation>
        </message>
        <message>
            <source>Numbers are left out at random and the rest grown, then all are summed.</source>
            <translation>값을 무작위로 버리고 나머지를 키운 뒤 모두 더합니다.</translation>
        </message>
        <message>
            <source>The small numbers are left out, then all are summed.</source>
            <translation>작은 값을 버린 뒤 모두 더합니다.</translation>
        </message>
        <message>
            <source>On the whole changes, of which the nearest pair is taken.</source>
            <translation>변화량 전체에 하고, 가장 가까운 짝을 씁니다.</translation>
        </message>
    </context>
    <context>
        <name>luthier::TriedMerges</name>
        <message>
            <source>Weights</source>
            <translation>가중치</translation>
        </message>
        <message>
            <source>Type</source>
            <translation>방식</translation>
        </message>
        <message>
            <source>Rank</source>
            <translation>랭크</translation>
        </message>
        <message>
            <source>Exact</source>
            <translation>정확히 일치</translation>
        </message>
        <message>
            <source>Token F1</source>
            <translation>토큰 F1</translation>
        </message>
        <message>
            <source>chrF</source>
            <translation>chrF</translation>
        </message>
        <message>
            <source>Double click: these settings again</source>
            <translation>두 번 클릭하면 이 설정으로 돌아갑니다</translation>
        </message>
        <message>
            <source>What was tried</source>
            <translation>시도한 것</translation>
        </message>
        <message>
            <source>Off by</source>
            <translation>차이</translation>
        </message>
        <message>
            <source>Merged against unmerged: how far the logits are off, of the largest</source>
            <translation>병합 전후 로짓의 차이를 가장 큰 로짓에 견준 값</translation>
        </message>
    </context>
    <context>
        <name>luthier::MergePage</name>
        <message>
            <source>Adapters and weights</source>
            <translation>어댑터와 가중치</translation>
        </message>
        <message>
            <source>Choose one adapter or several. Each gets a weight, and the answers on the right follow as soon as a slider is let go.</source>
            <translation>어댑터를 하나 또는 여러 개 고르세요. 저마다 가중치가 있고, 슬라이더를 놓으면 오른쪽 답이 바로 따라옵니다.</translation>
        </message>
    </context>
    <context>
        <name>luthier::MergeActions</name>
        <message>
            <source>The merged model was written to %1.</source>
            <translation>병합한 모델을 %1에 저장했습니다.</translation>
        </message>
        <message>
            <source>The combined adapter was written to %1.</source>
            <translation>결합한 어댑터를 %1에 저장했습니다.</translation>
        </message>
        <message>
            <source>A new or empty folder</source>
            <translation>새 폴더나 빈 폴더</translation>
        </message>
        <message>
            <source>The merge</source>
            <translation>병합</translation>
        </message>
        <message>
            <source>Fo&amp;lder</source>
            <translation>폴더(&amp;L)</translation>
        </message>
        <message>
            <source>The folder to write</source>
            <translation>저장할 폴더</translation>
        </message>
        <message>
            <source>Choose the folder</source>
            <translation>폴더 고르기</translation>
        </message>
        <message>
            <source>Save the adapter</source>
            <translation>어댑터 저장</translation>
        </message>
        <message>
            <source>The combined adapter as a PEFT folder</source>
            <translation>결합한 어댑터를 PEFT 폴더로 저장합니다</translation>
        </message>
        <message>
            <source>A model must be loaded first</source>
            <translation>먼저 모델을 불러와야 합니다</translation>
        </message>
        <message>
            <source>Choose an adapter first</source>
            <translation>먼저 어댑터를 고르세요</translation>
        </message>
        <message>
            <source>It is being written</source>
            <translation>저장하는 중입니다</translation>
        </message>
        <message>
            <source>Not now: %1</source>
            <translation>지금은 안 됩니다: %1</translation>
        </message>
        <message>
            <source>The proof follows the answers…</source>
            <translation>답이 끝나면 증명이 이어집니다…</translation>
        </message>
        <message>
            <source>Merged = unmerged: the logits on probe inputs are off by %1 of the largest; %2 is allowed.</source>
            <translation>병합 = 병합 전: 시험 입력의 로짓 차이가 가장 큰 로짓의 %1입니다(허용 %2).</translation>
        </message>
        <message>
            <source>The loaded base holds this merge: off by %1 of the largest logit, %2 is allowed. %3 of its own weights are kept for undoing, which leaves its bytes as they were.</source>
            <translation>불러온 베이스에 이 병합이 들어 있습니다. 차이는 가장 큰 로짓의 %1(허용 %2)입니다. 되돌리려고 원래 가중치 %3을(를) 보관하며, 되돌리면 바이트까지 그대로 돌아옵니다.</translation>
        </message>
        <message>
            <source>Undo the merge</source>
            <translation>병합 되돌리기</translation>
        </message>
        <message>
            <source>Merge into the loaded base</source>
            <translation>불러온 베이스에 병합</translation>
        </message>
        <message>
            <source>In memory: Compare and questions then see the merged model, until it is undone, another model is loaded or a run is launched</source>
            <translation>메모리에서만 병합합니다. 되돌리거나 다른 모델을 불러오거나 학습을 시작할 때까지 비교와 질문은 병합된 모델이 답합니다</translation>
        </message>
        <message>
            <source>Writing was cancelled: nothing was written.</source>
            <translation>저장을 취소했습니다. 저장된 것은 없습니다.</translation>
        </message>
        <message>
            <source>Cancel writing</source>
            <translation>저장 취소</translation>
        </message>
        <message>
            <source>Write the merged model</source>
            <translation>병합 모델 저장</translation>
        </message>
        <message>
            <source>The base's checkpoint with the merge in it, as a folder by itself</source>
            <translation>병합이 들어간 베이스 체크포인트를 따로 된 폴더로 저장합니다</translation>
        </message>
        <message>
            <source>E&amp;xport…</source>
            <translation>내보내기(&amp;X)…</translation>
        </message>
        <message>
            <source>As GGUF for llama.cpp and Ollama, as a checkpoint or as a PEFT folder</source>
            <translation>llama.cpp와 Ollama용 GGUF, 체크포인트, PEFT 폴더로 내보냅니다</translation>
        </message>
    </context>
    <context>
        <name>luthier::MergeResults</name>
        <message>
            <source>Tried</source>
            <translation>시도한 것</translation>
        </message>
        <message>
            <source>Samples…</source>
            <translation>샘플…</translation>
        </message>
        <message>
            <source>They are chosen on the Compare page</source>
            <translation>샘플은 비교 페이지에서 고릅니다</translation>
        </message>
        <message>
            <source>First a model</source>
            <translation>먼저 모델</translation>
        </message>
        <message>
            <source>Adapters are merged on the base that they were trained on.</source>
            <translation>어댑터는 학습된 베이스 위에서 병합합니다.</translation>
        </message>
        <message>
            <source>Choose a model</source>
            <translation>모델 고르기</translation>
        </message>
        <message>
            <source>No samples yet</source>
            <translation>아직 샘플이 없습니다</translation>
        </message>
        <message>
            <source>Open a file of rows on the Compare page: a merge is judged by its answers to them.</source>
            <translation>비교 페이지에서 샘플 파일을 여세요. 병합은 그 답으로 판단합니다.</translation>
        </message>
        <message>
            <source>To the Compare page</source>
            <translation>비교 페이지로</translation>
        </message>
        <message>
            <source>%1 exact</source>
            <translation>정확히 일치 %1</translation>
        </message>
        <message>
            <source>token F1 %1</source>
            <translation>토큰 F1 %1</translation>
        </message>
        <message>
            <source>chrF %1</source>
            <translation>chrF %1</translation>
        </message>
        <message>
            <source>valid JSON %1</source>
            <translation>올바른 JSON %1</translation>
        </message>
        <message>
            <source>answering: %1 of %2</source>
            <translation>답하는 중: %2개 중 %1개</translation>
        </message>
        <message numerus="yes">
            <source>of %n samples</source>
            <translation>
                <numerusform>샘플 %n개 중</numerusform>
            </translation>
        </message>
        <message>
            <source>rank %1</source>
            <translation>랭크 %1</translation>
        </message>
    </context>
    <context>
        <name>luthier::HeatMap</name>
        <message>
            <source>norm %1 · effective rank %2 of %3</source>
            <translation>크기 %1 · 유효 랭크 %2 / %3</translation>
        </message>
    </context>
    <context>
        <name>luthier::SeveralRanks</name>
        <message>
            <source>alpha ÷ rank stays</source>
            <translation>alpha ÷ 랭크 유지</translation>
        </message>
        <message>
            <source>alpha stays</source>
            <translation>alpha 유지</translation>
        </message>
        <message>
            <source>Train at several ranks</source>
            <translation>여러 랭크로 학습</translation>
        </message>
        <message>
            <source>Ran&amp;ks</source>
            <translation>랭크(&amp;K)</translation>
        </message>
        <message>
            <source>Ranks</source>
            <translation>랭크</translation>
        </message>
        <message>
            <source>What becomes of alpha</source>
            <translation>alpha를 어떻게 할지</translation>
        </message>
        <message>
            <source>By the Train page's recipe, one after another, each into a run folder of its own: %1…</source>
            <translation>학습 페이지의 레시피로 하나씩 차례로, 저마다 자기 폴더에 학습합니다: %1…</translation>
        </message>
        <message numerus="yes">
            <source>Queue %n runs</source>
            <translation>
                <numerusform>학습 %n개 줄 세우기</numerusform>
            </translation>
        </message>
        <message>
            <source>The Train page's recipe names no data yet</source>
            <translation>학습 페이지의 레시피에 아직 데이터가 없습니다</translation>
        </message>
        <message>
            <source>Double click a finished run to see its ranks</source>
            <translation>끝난 학습을 두 번 클릭하면 랭크를 볼 수 있습니다</translation>
        </message>
        <message>
            <source>Go on</source>
            <translation>계속</translation>
        </message>
        <message>
            <source>Drop them</source>
            <translation>대기 취소</translation>
        </message>
        <message>
            <source>Compare them</source>
            <translation>비교하기</translation>
        </message>
        <message>
            <source>The finished ones as columns of the Compare page</source>
            <translation>끝난 학습을 비교 페이지의 열로 놓습니다</translation>
        </message>
        <message>
            <source>waits</source>
            <translation>대기</translation>
        </message>
        <message>
            <source>step %1 of %2</source>
            <translation>%2단계 중 %1단계</translation>
        </message>
        <message>
            <source>begins</source>
            <translation>시작하는 중</translation>
        </message>
        <message>
            <source>Ranks that are tried</source>
            <translation>시험하는 랭크</translation>
        </message>
        <message>
            <source>The queue is held: these wait.</source>
            <translation>대기열을 멈춰 두어 이 학습들이 기다립니다.</translation>
        </message>
    </context>
    <context>
        <name>luthier::RankPage</name>
        <message>
            <source>Adapters</source>
            <translation>어댑터</translation>
        </message>
        <message>
            <source>Modules</source>
            <translation>모듈</translation>
        </message>
        <message>
            <source>%1 adapters stand side by side at most: take one out first.</source>
            <translation>어댑터는 %1개까지 나란히 볼 수 있습니다. 먼저 하나를 빼세요.</translation>
        </message>
        <message>
            <source>Save a checkpoint now</source>
            <translation>지금 체크포인트 저장</translation>
        </message>
        <message>
            <source>What of its rank does an adapter use?</source>
            <translation>어댑터는 랭크를 얼마나 쓸까요?</translation>
        </message>
        <message>
            <source>Choose an adapter: the singular values of each module's change show whether a smaller rank would do, or a larger one pay.</source>
            <translation>어댑터를 고르면 모듈마다 변화량의 특잇값이 보입니다. 더 작은 랭크로 충분한지, 더 큰 랭크가 나을지 알 수 있습니다.</translation>
        </message>
        <message>
            <source>Choose an adapter…</source>
            <translation>어댑터 고르기…</translation>
        </message>
        <message>
            <source>One step, &amp;slowly…</source>
            <translation>한 단계를 천천히(&amp;S)…</translation>
        </message>
        <message>
            <source>An update of A and B taken apart: gradients, the change of the weight, memory</source>
            <translation>A와 B의 갱신을 뜯어봅니다: 기울기, 가중치의 변화, 메모리</translation>
        </message>
    </context>
    <context>
        <name>luthier::RankPlots</name>
        <message>
            <source>Value %1</source>
            <translation>%1번째 값</translation>
        </message>
        <message>
            <source>log</source>
            <translation>로그</translation>
        </message>
        <message>
            <source>The change, layers × modules</source>
            <translation>변화량, 레이어 × 모듈</translation>
        </message>
        <message>
            <source>norm of the change</source>
            <translation>변화량의 크기</translation>
        </message>
        <message>
            <source>effective rank</source>
            <translation>유효 랭크</translation>
        </message>
        <message>
            <source>What the colours show</source>
            <translation>색이 나타내는 것</translation>
        </message>
        <message>
            <source>Singular values</source>
            <translation>특잇값</translation>
        </message>
        <message>
            <source>Singular values of %1</source>
            <translation>%1의 특잇값</translation>
        </message>
    </context>
    <context>
        <name>luthier::RankAdapters</name>
        <message>
            <source>Adapter</source>
            <translation>어댑터</translation>
        </message>
        <message>
            <source>Rank</source>
            <translation>랭크</translation>
        </message>
        <message>
            <source>Effective</source>
            <translation>유효 랭크</translation>
        </message>
        <message>
            <source>Used</source>
            <translation>쓰임</translation>
        </message>
        <message>
            <source>Norm</source>
            <translation>크기</translation>
        </message>
        <message>
            <source>The mean over the modules of exp(entropy of the singular values' shares)</source>
            <translation>모듈 평균: exp(특잇값 비율의 엔트로피)</translation>
        </message>
        <message>
            <source>Effective rank of the rank</source>
            <translation>랭크 가운데 유효 랭크의 비율</translation>
        </message>
        <message>
            <source>%1 (trains)</source>
            <translation>%1 (학습 중)</translation>
        </message>
        <message>
            <source>Take it out of the list</source>
            <translation>목록에서 빼기</translation>
        </message>
        <message>
            <source>%1: take it out of the list</source>
            <translation>%1: 목록에서 빼기</translation>
        </message>
    </context>
    <context>
        <name>Messages</name>
        <message>
            <source>“Combination type”</source>
            <translation>‘결합 방식’</translation>
        </message>
        <message>
            <source>“Density”</source>
            <translation>‘밀도’</translation>
        </message>
        <message>
            <source>“Rank of the result”</source>
            <translation>‘결과의 랭크’</translation>
        </message>
        <message>
            <source>“%1”</source>
            <translation>“%1”</translation>
        </message>
        <message>
            <source>the check on the Data page</source>
            <translation>데이터 페이지의 검사</translation>
        </message>
        <message>
            <source>the Model page</source>
            <translation>모델 페이지</translation>
        </message>
        <message>
            <source>the memory forecast</source>
            <translation>메모리 예측</translation>
        </message>
        <message>
            <source>“Resume”</source>
            <translation>“이어서 학습”</translation>
        </message>
        <message>
            <source>must not be empty.</source>
            <translation>비워 둘 수 없습니다.</translation>
        </message>
        <message>
            <source>empty</source>
            <translation>빈 값</translation>
        </message>
    </context>
    <context>
        <name>progress</name>
        <message>
            <source>Checking rows</source>
            <translation>행을 검사하는 중</translation>
        </message>
        <message>
            <source>Evaluating</source>
            <translation>평가하는 중</translation>
        </message>
        <message>
            <source>Looking at pictures again</source>
            <translation>그림을 다시 보는 중</translation>
        </message>
        <message>
            <source>Looking at what rows name</source>
            <translation>행이 가리키는 파일을 보는 중</translation>
        </message>
        <message>
            <source>Asking the reference</source>
            <translation>기준 모델에 묻는 중</translation>
        </message>
        <message>
            <source>Looking at what layers read</source>
            <translation>층이 읽는 것을 보는 중</translation>
        </message>
        <message>
            <source>Measuring rows</source>
            <translation>행의 길이를 재는 중</translation>
        </message>
        <message>
            <source>Answering</source>
            <translation>답하는 중</translation>
        </message>
        <message>
            <source>Loading a column's model</source>
            <translation>비교할 체크포인트를 불러오는 중</translation>
        </message>
        <message>
            <source>Reading the weights</source>
            <translation>가중치를 읽는 중</translation>
        </message>
        <message>
            <source>Answering held-out rows</source>
            <translation>평가 행에 답하는 중</translation>
        </message>
        <message>
            <source>Merging the last stage</source>
            <translation>앞 단계를 병합하는 중</translation>
        </message>
        <message>
            <source>Loading the reward model</source>
            <translation>보상 모델 불러오는 중</translation>
        </message>
        <message>
            <source>Scoring answers</source>
            <translation>답에 보상을 매기는 중</translation>
        </message>
        <message>
            <source>Evaluating every task</source>
            <translation>모든 과제를 평가하는 중</translation>
        </message>
        <message>
            <source>Answering the probe</source>
            <translation>기억 확인에 답하는 중</translation>
        </message>
        <message>
            <source>Answering samples</source>
            <translation>샘플에 답하는 중</translation>
        </message>
        <message>
            <source>Looking at the result</source>
            <translation>결과를 살펴보는 중</translation>
        </message>
        <message>
            <source>Combining the adapters</source>
            <translation>어댑터를 결합하는 중</translation>
        </message>
        <message>
            <source>Merging the adapter</source>
            <translation>어댑터를 병합하는 중</translation>
        </message>
        <message>
            <source>Copying files</source>
            <translation>파일을 복사하는 중</translation>
        </message>
        <message>
            <source>Writing GGUF</source>
            <translation>GGUF를 쓰는 중</translation>
        </message>
    </context>
    <context>
        <name>recipe</name>
        <message>
            <source>Model and data</source>
            <translation>모델과 데이터</translation>
        </message>
        <message>
            <source>Method</source>
            <translation>방식</translation>
        </message>
        <message>
            <source>Pictures</source>
            <translation>그림</translation>
        </message>
        <message>
            <source>Training</source>
            <translation>학습</translation>
        </message>
        <message>
            <source>Model</source>
            <translation>모델</translation>
        </message>
        <message>
            <source>The folder of the base checkpoint, as transformers writes it.</source>
            <translation>transformers 형식의 베이스 체크포인트 폴더입니다.</translation>
        </message>
        <message>
            <source>Starting weights</source>
            <translation>시작 가중치</translation>
        </message>
        <message>
            <source>Start from the checkpoint's weights, or from random ones made by its config.json (training from scratch).</source>
            <translation>체크포인트의 가중치에서 시작하거나, config.json으로 만든 무작위 가중치에서 처음부터 학습합니다.</translation>
        </message>
        <message>
            <source>Training data</source>
            <translation>학습 데이터</translation>
        </message>
        <message>
            <source>Evaluation data</source>
            <translation>평가 데이터</translation>
        </message>
        <message>
            <source>Rows that are never trained on; their loss is the evaluation loss.</source>
            <translation>학습에 쓰지 않는 행입니다. 이 행들의 손실이 평가 손실입니다.</translation>
        </message>
        <message>
            <source>Picture folder</source>
            <translation>그림 폴더</translation>
        </message>
        <message>
            <source>Where relative picture paths of the rows start; empty: beside each dataset's file.</source>
            <translation>행에 적힌 그림의 상대 경로가 시작하는 폴더입니다. 비우면 데이터 파일이 있는 폴더입니다.</translation>
        </message>
        <message>
            <source>Run folder</source>
            <translation>저장 폴더</translation>
        </message>
        <message>
            <source>Where the run is written: settings, metrics, checkpoints and the result.</source>
            <translation>설정, 지표, 체크포인트, 결과를 저장할 곳입니다.</translation>
        </message>
        <message>
            <source>Objective</source>
            <translation>목표</translation>
        </message>
        <message>
            <source>What is learned from the rows.</source>
            <translation>데이터 행에서 무엇을 배우는지 정합니다.</translation>
        </message>
        <message>
            <source>Which weights train, and what is added beside them.</source>
            <translation>어떤 가중치를 학습하고 그 옆에 무엇을 더하는지 정합니다.</translation>
        </message>
        <message>
            <source>Keep the vision tower fixed</source>
            <translation>비전 타워 고정</translation>
        </message>
        <message>
            <source>The picture encoder's weights do not change.</source>
            <translation>그림 인코더의 가중치를 바꾸지 않습니다.</translation>
        </message>
        <message>
            <source>Keep the projector fixed</source>
            <translation>프로젝터 고정</translation>
        </message>
        <message>
            <source>The weights that carry picture features into the language model do not change.</source>
            <translation>그림 특징을 언어 모델로 옮기는 가중치를 바꾸지 않습니다.</translation>
        </message>
        <message>
            <source>Keep the language model fixed</source>
            <translation>언어 모델 고정</translation>
        </message>
        <message>
            <source>The decoder's weights do not change; with the tower fixed too, only the projector learns.</source>
            <translation>디코더의 가중치를 바꾸지 않습니다. 타워까지 고정하면 프로젝터만 학습합니다.</translation>
        </message>
        <message>
            <source>Rank</source>
            <translation>랭크</translation>
        </message>
        <message>
            <source>Columns of A and B: more can learn more and costs more memory; 8 to 64 is usual.</source>
            <translation>A와 B의 열 수입니다. 클수록 더 많이 배우고 메모리도 더 듭니다. 보통 8~64를 씁니다.</translation>
        </message>
        <message>
            <source>LoRA alpha</source>
            <translation>LoRA 알파</translation>
        </message>
        <message>
            <source>The adapter's output is scaled by alpha / rank; twice the rank is usual.</source>
            <translation>어댑터 출력에 알파/랭크를 곱합니다. 보통 랭크의 두 배로 둡니다.</translation>
        </message>
        <message>
            <source>LoRA dropout</source>
            <translation>LoRA 드롭아웃</translation>
        </message>
        <message>
            <source>Share of the adapter's inputs that are dropped while training.</source>
            <translation>학습할 때 어댑터 입력에서 버리는 비율입니다.</translation>
        </message>
        <message>
            <source>Target modules</source>
            <translation>대상 모듈</translation>
        </message>
        <message>
            <source>Which linear layers get an adapter: names (endings are enough), one regular expression over whole names, or all-linear.</source>
            <translation>어댑터를 붙일 선형 층입니다. 이름(끝부분만으로도 됨), 전체 이름에 대한 정규식 하나, 또는 all-linear를 적습니다.</translation>
        </message>
        <message>
            <source>Excluded modules</source>
            <translation>제외할 모듈</translation>
        </message>
        <message>
            <source>Which of the target modules are left out, by names or one regular expression.</source>
            <translation>대상 모듈 가운데 뺄 것을 이름이나 정규식 하나로 적습니다.</translation>
        </message>
        <message>
            <source>Rank by module</source>
            <translation>모듈별 랭크</translation>
        </message>
        <message>
            <source>Other ranks for modules whose name ends so or matches: {q_proj: 32}.</source>
            <translation>이름 끝이 같거나 맞는 모듈에 다른 랭크를 줍니다: {q_proj: 32}.</translation>
        </message>
        <message>
            <source>Alpha by module</source>
            <translation>모듈별 알파</translation>
        </message>
        <message>
            <source>Other alphas for modules whose name ends so or matches: {q_proj: 64}.</source>
            <translation>이름 끝이 같거나 맞는 모듈에 다른 알파를 줍니다: {q_proj: 64}.</translation>
        </message>
        <message>
            <source>Rank-stabilized scale</source>
            <translation>랭크 안정화 배율</translation>
        </message>
        <message>
            <source>Scale by alpha / √rank instead of alpha / rank, which suits high ranks.</source>
            <translation>알파/랭크 대신 알파/√랭크를 곱합니다. 큰 랭크에 알맞습니다.</translation>
        </message>
        <message>
            <source>DoRA</source>
            <translation>DoRA</translation>
        </message>
        <message>
            <source>Train a magnitude beside the direction of each weight.</source>
            <translation>가중치의 방향과 함께 크기도 따로 학습합니다.</translation>
        </message>
        <message>
            <source>Initial adapter</source>
            <translation>어댑터 초깃값</translation>
        </message>
        <message>
            <source>true: A uniform by Kaiming's rule and B zero; gaussian: A normal and B zero; false: both random; orthogonal: rows that cancel out; pissa and olora: the largest part of each weight, by its singular values or by QR (pissa_niter_4: nearly, and faster). loftq: what packing a weight leaves out of it; eva: in what the layers read of the first rows; mica: B is the smallest part of each weight and stays, A trains.</source>
            <translation>true: A는 카이밍 균등 분포, B는 0. gaussian: A는 정규 분포, B는 0. false: 둘 다 무작위. orthogonal: 서로 상쇄되는 행. pissa와 olora: 가중치마다 가장 큰 부분을 특잇값이나 QR로 꺼냅니다(pissa_niter_4: 근사하여 더 빠르게). loftq: 가중치를 압축할 때 빠진 부분에서 시작. eva: 첫 데이터 행에서 층이 읽는 것을 따라 시작. mica: B는 가중치마다 가장 작은 부분이며 그대로 있고 A만 학습합니다.</translation>
        </message>
        <message>
            <source>Modules trained whole</source>
            <translation>통째로 학습할 모듈</translation>
        </message>
        <message>
            <source>Modules that train without low rank and are saved with the adapter (lm_head, say).</source>
            <translation>저랭크가 아니라 통째로 학습하고 어댑터와 함께 저장할 모듈입니다(예: lm_head).</translation>
        </message>
        <message>
            <source>Biases</source>
            <translation>편향</translation>
        </message>
        <message>
            <source>Which of the base's biases train beside the adapter: none, all, or those of the modules that have one (METHOD_only, as in lora_only).</source>
            <translation>베이스의 편향 가운데 어댑터와 함께 학습할 것입니다. 없음, 모두, 또는 어댑터가 붙은 모듈의 편향(lora_only처럼 METHOD_only).</translation>
        </message>
        <message>
            <source>Start from adapter</source>
            <translation>이어받을 어댑터</translation>
        </message>
        <message>
            <source>A PEFT adapter's folder to go on from; its settings replace the ones here.</source>
            <translation>이어서 학습할 PEFT 어댑터 폴더입니다. 그 설정이 여기 설정을 대신합니다.</translation>
        </message>
        <message>
            <source>Smallest picture</source>
            <translation>가장 작은 그림</translation>
        </message>
        <message>
            <source>Pixels a picture has at least after resizing; empty: as the checkpoint's processor says.</source>
            <translation>크기를 바꾼 뒤 그림의 최소 픽셀 수입니다. 비우면 체크포인트의 설정을 따릅니다.</translation>
        </message>
        <message>
            <source>Largest picture</source>
            <translation>가장 큰 그림</translation>
        </message>
        <message>
            <source>Pixels a picture has at most after resizing; empty: as the checkpoint's processor says.</source>
            <translation>크기를 바꾼 뒤 그림의 최대 픽셀 수입니다. 비우면 체크포인트의 설정을 따릅니다.</translation>
        </message>
        <message>
            <source>Broken pictures</source>
            <translation>깨진 그림</translation>
        </message>
        <message>
            <source>refuse stops before training and names the row; skip leaves such rows out and counts them.</source>
            <translation>refuse는 학습 전에 멈추고 어느 행인지 알립니다. skip은 그런 행을 빼고 수를 셉니다.</translation>
        </message>
        <message>
            <source>Films</source>
            <translation>영상</translation>
        </message>
        <message>
            <source>frames</source>
            <translation>프레임</translation>
        </message>
        <message>
            <source>Frames of a film</source>
            <translation>영상의 프레임 수</translation>
        </message>
        <message>
            <source>So many frames of each film are shown, evenly; empty: as the checkpoint's processor says.</source>
            <translation>영상마다 프레임을 이만큼 고르게 골라 보입니다. 비우면 체크포인트의 설정을 따릅니다.</translation>
        </message>
        <message>
            <source>Frames of a second</source>
            <translation>초당 프레임 수</translation>
        </message>
        <message>
            <source>So many frames of each second of a film are shown; empty: as the checkpoint's processor says.</source>
            <translation>영상의 1초마다 프레임을 이만큼 보입니다. 비우면 체크포인트의 설정을 따릅니다.</translation>
        </message>
        <message>
            <source>Fewest frames</source>
            <translation>최소 프레임 수</translation>
        </message>
        <message>
            <source>Frames of a film are at least so many under frames of a second; empty: as the checkpoint's processor says.</source>
            <translation>초당 프레임 수로 고를 때 영상의 프레임은 적어도 이만큼입니다. 비우면 체크포인트의 설정을 따릅니다.</translation>
        </message>
        <message>
            <source>Most frames</source>
            <translation>최대 프레임 수</translation>
        </message>
        <message>
            <source>Frames of a film are at most so many under frames of a second; empty: as the checkpoint's processor says.</source>
            <translation>초당 프레임 수로 고를 때 영상의 프레임은 많아야 이만큼입니다. 비우면 체크포인트의 설정을 따릅니다.</translation>
        </message>
        <message>
            <source>Smallest frame</source>
            <translation>가장 작은 프레임</translation>
        </message>
        <message>
            <source>Pixels that the checkpoint's processor counts of a film are at least so many: a frame's, or all frames' (Qwen3-VL); empty: as it says itself.</source>
            <translation>체크포인트의 처리기가 영상에서 세는 픽셀(프레임 하나의 픽셀, Qwen3-VL은 모든 프레임의 픽셀)의 최솟값입니다. 비우면 체크포인트의 설정을 따릅니다.</translation>
        </message>
        <message>
            <source>Largest frame</source>
            <translation>가장 큰 프레임</translation>
        </message>
        <message>
            <source>Pixels that the checkpoint's processor counts of a film are at most so many: a frame's, or all frames' (Qwen3-VL); empty: as it says itself.</source>
            <translation>체크포인트의 처리기가 영상에서 세는 픽셀(프레임 하나의 픽셀, Qwen3-VL은 모든 프레임의 픽셀)의 최댓값입니다. 비우면 체크포인트의 설정을 따릅니다.</translation>
        </message>
        <message>
            <source>Device</source>
            <translation>장치</translation>
        </message>
        <message>
            <source>auto takes the CUDA device with most free memory, else the CPU; cuda:1 names the second one.</source>
            <translation>auto는 남은 메모리가 가장 많은 CUDA 장치를 쓰고, 없으면 CPU를 씁니다. cuda:1은 두 번째 장치입니다.</translation>
        </message>
        <message>
            <source>Compute type</source>
            <translation>계산 형식</translation>
        </message>
        <message>
            <source>auto computes in bfloat16 on a CUDA device that has it, else in float32; a resumed run keeps its own.</source>
            <translation>auto는 bfloat16을 지원하는 CUDA 장치에서 bfloat16, 그 밖에는 float32로 계산합니다. 이어 하는 학습은 처음 형식을 그대로 씁니다.</translation>
        </message>
        <message>
            <source>Epochs</source>
            <translation>에폭</translation>
        </message>
        <message>
            <source>How often every row is seen; max steps replaces it when it is above 0.</source>
            <translation>모든 행을 몇 번 볼지 정합니다. 최대 스텝이 0보다 크면 그 값을 씁니다.</translation>
        </message>
        <message>
            <source>Max steps</source>
            <translation>최대 스텝</translation>
        </message>
        <message>
            <source>Optimizer steps in all; -1: as the epochs give.</source>
            <translation>전체 최적화 스텝 수입니다. -1이면 에폭 수를 따릅니다.</translation>
        </message>
        <message>
            <source>Batch size</source>
            <translation>배치 크기</translation>
        </message>
        <message>
            <source>Rows that go through the model at once.</source>
            <translation>한 번에 모델을 지나는 행 수입니다.</translation>
        </message>
        <message>
            <source>Gradient accumulation</source>
            <translation>기울기 누적</translation>
        </message>
        <message>
            <source>Batches whose gradients are summed before one step.</source>
            <translation>한 스텝을 밟기 전에 기울기를 더할 배치 수입니다.</translation>
        </message>
        <message>
            <source>Learning rate</source>
            <translation>학습률</translation>
        </message>
        <message>
            <source>The peak rate; each method and objective has a default of its own.</source>
            <translation>가장 높은 학습률입니다. 방식과 목표마다 기본값이 다릅니다.</translation>
        </message>
        <message>
            <source>LR scheduler</source>
            <translation>학습률 변화</translation>
        </message>
        <message>
            <source>How the rate goes on after the warmup.</source>
            <translation>워밍업이 끝난 뒤 학습률이 변하는 방식입니다.</translation>
        </message>
        <message>
            <source>Warmup ratio</source>
            <translation>워밍업 비율</translation>
        </message>
        <message>
            <source>Share of all steps in which the rate rises from 0 to its peak.</source>
            <translation>학습률이 0에서 최고까지 오르는 데 쓰는 스텝의 비율입니다.</translation>
        </message>
        <message>
            <source>Warmup steps</source>
            <translation>워밍업 스텝</translation>
        </message>
        <message>
            <source>Steps of warmup; above 0 it replaces the ratio.</source>
            <translation>워밍업 스텝 수입니다. 0보다 크면 비율 대신 씁니다.</translation>
        </message>
        <message>
            <source>Weight decay</source>
            <translation>가중치 감쇠</translation>
        </message>
        <message>
            <source>Pull towards zero on trained weights, biases and norms left out.</source>
            <translation>학습하는 가중치를 0 쪽으로 당깁니다. 편향과 정규화 층은 뺍니다.</translation>
        </message>
        <message>
            <source>Max grad norm</source>
            <translation>기울기 상한</translation>
        </message>
        <message>
            <source>Gradients longer than this are scaled down to it; 0 never clips.</source>
            <translation>이보다 큰 기울기를 이 크기로 줄입니다. 0이면 줄이지 않습니다.</translation>
        </message>
        <message>
            <source>Optimizer</source>
            <translation>옵티마이저</translation>
        </message>
        <message>
            <source>How gradients become a step.</source>
            <translation>기울기로 한 스텝을 어떻게 내딛는지 정합니다.</translation>
        </message>
        <message>
            <source>Adam beta 1</source>
            <translation>Adam 베타 1</translation>
        </message>
        <message>
            <source>Decay of the running mean of gradients.</source>
            <translation>기울기 이동 평균의 감쇠율입니다.</translation>
        </message>
        <message>
            <source>Adam beta 2</source>
            <translation>Adam 베타 2</translation>
        </message>
        <message>
            <source>Decay of the running mean of squared gradients.</source>
            <translation>기울기 제곱 이동 평균의 감쇠율입니다.</translation>
        </message>
        <message>
            <source>Adam epsilon</source>
            <translation>Adam 엡실론</translation>
        </message>
        <message>
            <source>Added to the denominator for stability.</source>
            <translation>안정성을 위해 분모에 더합니다.</translation>
        </message>
        <message>
            <source>Gradient checkpointing</source>
            <translation>활성값 다시 계산</translation>
        </message>
        <message>
            <source>Recompute activations in the backward pass: less memory, more time. auto turns it on where memory would not do.</source>
            <translation>역전파 때 활성값을 다시 계산해 메모리를 아끼는 대신 시간이 더 듭니다. auto는 메모리가 모자랄 때만 켭니다.</translation>
        </message>
        <message>
            <source>Context length</source>
            <translation>최대 길이</translation>
        </message>
        <message>
            <source>Tokens a row holds at most, picture tokens counted; longer rows are cut at the end. Empty: no row is cut.</source>
            <translation>그림 토큰을 포함해 한 행이 가질 수 있는 최대 토큰 수입니다. 더 긴 행은 끝을 자릅니다. 비워 두면 자르지 않습니다.</translation>
        </message>
        <message>
            <source>Shuffle</source>
            <translation>섞기</translation>
        </message>
        <message>
            <source>Visit the rows in another order each epoch, always the same for a seed.</source>
            <translation>에폭마다 행 순서를 바꿉니다. 시드가 같으면 순서도 같습니다.</translation>
        </message>
        <message>
            <source>Seed</source>
            <translation>시드</translation>
        </message>
        <message>
            <source>The same seed, data and settings give the same run.</source>
            <translation>시드, 데이터, 설정이 같으면 결과도 같습니다.</translation>
        </message>
        <message>
            <source>Train on</source>
            <translation>학습 범위</translation>
        </message>
        <message>
            <source>completion: every token after the last prompt; assistant: every assistant turn; all: every text token.</source>
            <translation>completion: 마지막 질문 뒤의 모든 토큰. assistant: 모든 답변. all: 모든 글 토큰.</translation>
        </message>
        <message>
            <source>Log every</source>
            <translation>기록 간격</translation>
        </message>
        <message>
            <source>Steps between two lines of metrics.</source>
            <translation>지표를 몇 스텝마다 기록할지 정합니다.</translation>
        </message>
        <message>
            <source>Evaluate every</source>
            <translation>평가 간격</translation>
        </message>
        <message>
            <source>Steps between two evaluations; 0: where evaluation data is given, at every checkpoint of Save every and at the end, else never.</source>
            <translation>평가 사이의 스텝 수입니다. 0이면 평가 데이터가 있을 때 저장 간격의 체크포인트마다, 그리고 끝에 평가하고, 없으면 하지 않습니다.</translation>
        </message>
        <message>
            <source>Save every</source>
            <translation>저장 간격</translation>
        </message>
        <message>
            <source>Steps between two checkpoints; 0 saves at the end only.</source>
            <translation>몇 스텝마다 체크포인트를 저장할지 정합니다. 0이면 끝에만 저장합니다.</translation>
        </message>
        <message>
            <source>Save every (minutes)</source>
            <translation>저장 간격(분)</translation>
        </message>
        <message>
            <source>Minutes between two checkpoints at most, whatever the steps; 0: by steps alone.</source>
            <translation>스텝과 상관없이 늦어도 이만큼 분이 지나면 체크포인트를 저장합니다. 0이면 스텝만 따릅니다.</translation>
        </message>
        <message>
            <source>minutes</source>
            <translation>분</translation>
        </message>
        <message>
            <source>Keep checkpoints</source>
            <translation>남길 체크포인트</translation>
        </message>
        <message>
            <source>Older checkpoints beyond this number are removed; 0 keeps all.</source>
            <translation>이 수를 넘는 오래된 체크포인트는 지웁니다. 0이면 모두 남깁니다.</translation>
        </message>
        <message>
            <source>Memory that will not do</source>
            <translation>메모리가 모자랄 때</translation>
        </message>
        <message>
            <source>refuse does not start a run whose forecast is more than 95 % of the free memory; try starts it all the same.</source>
            <translation>refuse: 예측한 메모리가 남은 메모리의 95 %를 넘으면 학습을 시작하지 않습니다. try: 그래도 시작합니다.</translation>
        </message>
        <message>
            <source>tokens</source>
            <translation>토큰</translation>
        </message>
        <message>
            <source>batches</source>
            <translation>배치</translation>
        </message>
        <message>
            <source>checkpoints</source>
            <translation>개</translation>
        </message>
        <message>
            <source>pixels</source>
            <translation>픽셀</translation>
        </message>
        <message>
            <source>steps</source>
            <translation>스텝</translation>
        </message>
        <message>
            <source>rows</source>
            <translation>행</translation>
        </message>
        <message>
            <source>epochs</source>
            <translation>에폭</translation>
        </message>
        <message>
            <source>pretrained</source>
            <translation>사전 학습됨 (pretrained)</translation>
        </message>
        <message>
            <source>random</source>
            <translation>무작위 (random)</translation>
        </message>
        <message>
            <source>sft</source>
            <translation>지도 미세조정 (sft)</translation>
        </message>
        <message>
            <source>full</source>
            <translation>전체 (full)</translation>
        </message>
        <message>
            <source>freeze</source>
            <translation>일부 고정 (freeze)</translation>
        </message>
        <message>
            <source>lora</source>
            <translation>LoRA (lora)</translation>
        </message>
        <message>
            <source>true</source>
            <translation>켬 (true)</translation>
        </message>
        <message>
            <source>false</source>
            <translation>끔 (false)</translation>
        </message>
        <message>
            <source>gaussian</source>
            <translation>정규 분포 (gaussian)</translation>
        </message>
        <message>
            <source>none</source>
            <translation>없음 (none)</translation>
        </message>
        <message>
            <source>all</source>
            <translation>모두 (all)</translation>
        </message>
        <message>
            <source>lora_only</source>
            <translation>LoRA만 (lora_only)</translation>
        </message>
        <message>
            <source>vera_only</source>
            <translation>VeRA만 (vera_only)</translation>
        </message>
        <message>
            <source>oft_only</source>
            <translation>OFT만 (oft_only)</translation>
        </message>
        <message>
            <source>boft_only</source>
            <translation>BOFT만 (boft_only)</translation>
        </message>
        <message>
            <source>hra_only</source>
            <translation>HRA만 (hra_only)</translation>
        </message>
        <message>
            <source>fourier_only</source>
            <translation>FourierFT만 (fourier_only)</translation>
        </message>
        <message>
            <source>refuse</source>
            <translation>멈추기 (refuse)</translation>
        </message>
        <message>
            <source>skip</source>
            <translation>건너뛰기 (skip)</translation>
        </message>
        <message>
            <source>auto</source>
            <translation>자동 (auto)</translation>
        </message>
        <message>
            <source>cpu</source>
            <translation>CPU (cpu)</translation>
        </message>
        <message>
            <source>cuda</source>
            <translation>CUDA (cuda)</translation>
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
            <translation>일정 (constant)</translation>
        </message>
        <message>
            <source>constant_with_warmup</source>
            <translation>워밍업 뒤 일정 (constant_with_warmup)</translation>
        </message>
        <message>
            <source>linear</source>
            <translation>선형 (linear)</translation>
        </message>
        <message>
            <source>cosine</source>
            <translation>코사인 (cosine)</translation>
        </message>
        <message>
            <source>cosine_with_restarts</source>
            <translation>다시 시작하는 코사인 (cosine_with_restarts)</translation>
        </message>
        <message>
            <source>polynomial</source>
            <translation>다항식 (polynomial)</translation>
        </message>
        <message>
            <source>inverse_sqrt</source>
            <translation>제곱근의 역수 (inverse_sqrt)</translation>
        </message>
        <message>
            <source>adamw_torch</source>
            <translation>AdamW (adamw_torch)</translation>
        </message>
        <message>
            <source>completion</source>
            <translation>마지막 답 (completion)</translation>
        </message>
        <message>
            <source>assistant</source>
            <translation>모든 답 (assistant)</translation>
        </message>
        <message>
            <source>Columns</source>
            <translation>열</translation>
        </message>
        <message>
            <source>Which column of the data is what, where it is called otherwise: image=photo, prompt=question. Empty: rows are read as they are.</source>
            <translation>데이터의 열 이름이 다를 때 어느 열이 무엇인지: image=photo, prompt=question. 비우면 행을 그대로 읽습니다.</translation>
        </message>
        <message>
            <source>Question of all rows</source>
            <translation>모든 행의 질문</translation>
        </message>
        <message>
            <source>What is asked where the data has no question, or how it is put together, {column} being a column&apos;s text. Empty: as the rows say.</source>
            <translation>데이터에 질문이 없을 때 묻는 말, 또는 질문을 만드는 틀({열 이름}은 그 열의 글). 비우면 행에 있는 대로.</translation>
        </message>
        <message>
            <source>Answer of all rows</source>
            <translation>모든 행의 답</translation>
        </message>
        <message>
            <source>How the answer is put together, {column} being a column&apos;s text. Empty: as the rows say.</source>
            <translation>답을 만드는 틀({열 이름}은 그 열의 글). 비우면 행에 있는 대로.</translation>
        </message>
        <message>
            <source>One file of rows, or several: JSON lines, JSON, CSV, Parquet, Arrow, tar, or a folder.</source>
            <translation>행 파일 하나 또는 여럿: JSON 줄, JSON, CSV, Parquet, Arrow, tar, 또는 폴더.</translation>
        </message>
    </context>
    <context>
        <name>role</name>
        <message>
            <source>system</source>
            <translation>시스템</translation>
        </message>
        <message>
            <source>user</source>
            <translation>사용자</translation>
        </message>
        <message>
            <source>assistant</source>
            <translation>답변</translation>
        </message>
        <message>
            <source>tool</source>
            <translation>도구</translation>
        </message>
        <message>
            <source>text</source>
            <translation>글</translation>
        </message>
        <message>
            <source>chosen</source>
            <translation>선택된 답</translation>
        </message>
        <message>
            <source>rejected</source>
            <translation>거부된 답</translation>
        </message>
        <message>
            <source>a good answer</source>
            <translation>좋은 답</translation>
        </message>
        <message>
            <source>a bad answer</source>
            <translation>나쁜 답</translation>
        </message>
    </context>
    <context>
        <name>state</name>
        <message>
            <source>empty</source>
            <translation>모델 없음</translation>
        </message>
        <message>
            <source>loading</source>
            <translation>불러오는 중</translation>
        </message>
        <message>
            <source>ready</source>
            <translation>준비됨</translation>
        </message>
        <message>
            <source>preparing</source>
            <translation>준비하는 중</translation>
        </message>
        <message>
            <source>training</source>
            <translation>학습 중</translation>
        </message>
        <message>
            <source>pausing</source>
            <translation>멈추는 중</translation>
        </message>
        <message>
            <source>paused</source>
            <translation>일시 정지</translation>
        </message>
        <message>
            <source>saving</source>
            <translation>저장하는 중</translation>
        </message>
        <message>
            <source>stopping</source>
            <translation>중지하는 중</translation>
        </message>
        <message>
            <source>created</source>
            <translation>만들어짐</translation>
        </message>
        <message>
            <source>running</source>
            <translation>학습 중</translation>
        </message>
        <message>
            <source>finished</source>
            <translation>완료</translation>
        </message>
        <message>
            <source>stopped</source>
            <translation>중지됨</translation>
        </message>
        <message>
            <source>failed</source>
            <translation>실패</translation>
        </message>
        <message>
            <source>interrupted</source>
            <translation>중단됨</translation>
        </message>
    </context>
    <context>
        <name>luthier::MethodModel</name>
        <message>
            <source>%1, 4 bits</source>
            <translation>%1, 4비트</translation>
        </message>
        <message>
            <source>%1 of %2 parameters train</source>
            <translation>매개변수 %2개 중 %1개 학습</translation>
        </message>
        <message>
            <source>Method</source>
            <translation>방식</translation>
        </message>
        <message>
            <source>Trained</source>
            <translation>학습</translation>
        </message>
        <message>
            <source>Share</source>
            <translation>비율</translation>
        </message>
        <message>
            <source>Memory</source>
            <translation>메모리</translation>
        </message>
        <message>
            <source>Weights</source>
            <translation>가중치</translation>
        </message>
        <message>
            <source>Adapter</source>
            <translation>어댑터</translation>
        </message>
        <message>
            <source>Gradients</source>
            <translation>기울기</translation>
        </message>
        <message>
            <source>Moments</source>
            <translation>모멘트</translation>
        </message>
        <message>
            <source>Masters</source>
            <translation>사본</translation>
        </message>
        <message>
            <source>Sum</source>
            <translation>합계</translation>
        </message>
        <message>
            <source>File</source>
            <translation>파일</translation>
        </message>
        <message>
            <source>What the recipe calls it; tick those that short runs are to compare</source>
            <translation>레시피에 쓰는 이름입니다. 짧은 실행으로 견줄 방식에 표시하세요</translation>
        </message>
        <message>
            <source>Parameters that train</source>
            <translation>학습되는 매개변수 수</translation>
        </message>
        <message>
            <source>Of the model's parameters</source>
            <translation>모델 매개변수 가운데 차지하는 비율</translation>
        </message>
        <message>
            <source>What stands in memory whatever the rows are, part by part, on one scale</source>
            <translation>데이터와 관계없이 메모리를 차지하는 것을 부분별로, 같은 눈금으로 보여 줍니다</translation>
        </message>
        <message>
            <source>The base's weights, packed where the settings say so</source>
            <translation>베이스의 가중치. 설정에 따라 압축된 크기입니다</translation>
        </message>
        <message>
            <source>What the method adds to the base</source>
            <translation>이 방식이 베이스에 더하는 것</translation>
        </message>
        <message>
            <source>Gradients of one micro-batch</source>
            <translation>마이크로배치 하나의 기울기</translation>
        </message>
        <message>
            <source>What the optimizer keeps for each trained number</source>
            <translation>학습되는 수마다 옵티마이저가 보관하는 것</translation>
        </message>
        <message>
            <source>float32 values of trained weights that are narrower</source>
            <translation>더 좁은 형식으로 학습되는 가중치의 float32 사본</translation>
        </message>
        <message>
            <source>Weights, adapter, gradients, moments and masters</source>
            <translation>가중치, 어댑터, 기울기, 모멘트, 사본을 더한 값</translation>
        </message>
        <message>
            <source>What the run leaves behind</source>
            <translation>실행이 남기는 파일의 크기</translation>
        </message>
        <message>
            <source>weights</source>
            <translation>가중치</translation>
        </message>
        <message>
            <source>adapter</source>
            <translation>어댑터</translation>
        </message>
        <message>
            <source>gradients</source>
            <translation>기울기</translation>
        </message>
        <message>
            <source>moments</source>
            <translation>모멘트</translation>
        </message>
        <message>
            <source>masters</source>
            <translation>float32 사본</translation>
        </message>
    </context>
    <context>
        <name>luthier::ShortRunModel</name>
        <message>
            <source>waits</source>
            <translation>대기</translation>
        </message>
        <message>
            <source>%1 ms</source>
            <translation>%1 ms</translation>
        </message>
        <message>
            <source>%1 s</source>
            <translation>%1초</translation>
        </message>
        <message>
            <source>The lowest of them</source>
            <translation>이 가운데 가장 낮음</translation>
        </message>
        <message>
            <source>Method</source>
            <translation>방식</translation>
        </message>
        <message>
            <source>State</source>
            <translation>상태</translation>
        </message>
        <message>
            <source>Step</source>
            <translation>스텝</translation>
        </message>
        <message>
            <source>Tokens/s</source>
            <translation>토큰/초</translation>
        </message>
        <message>
            <source>Loss</source>
            <translation>손실</translation>
        </message>
        <message>
            <source>Perplexity</source>
            <translation>혼란도</translation>
        </message>
        <message>
            <source>4 bits lose</source>
            <translation>4비트의 손해</translation>
        </message>
        <message>
            <source>Peak memory</source>
            <translation>최대 메모리</translation>
        </message>
        <message>
            <source>File</source>
            <translation>파일</translation>
        </message>
        <message>
            <source>In the colour of its curve</source>
            <translation>곡선과 같은 색으로 표시합니다</translation>
        </message>
        <message>
            <source>What the run is at</source>
            <translation>실행의 진행 상태</translation>
        </message>
        <message>
            <source>Median over the steps but the first</source>
            <translation>첫 스텝을 뺀 스텝 시간의 중앙값</translation>
        </message>
        <message>
            <source>Tokens of the steps but the first, over their seconds</source>
            <translation>첫 스텝을 뺀 스텝들의 토큰 수를 걸린 시간으로 나눈 값</translation>
        </message>
        <message>
            <source>Training loss of the last step</source>
            <translation>마지막 스텝의 학습 손실</translation>
        </message>
        <message>
            <source>Loss on the recipe's evaluation data after the last step</source>
            <translation>마지막 스텝 뒤에 레시피의 평가 데이터로 잰 손실</translation>
        </message>
        <message>
            <source>e to the power of the held-out loss</source>
            <translation>e를 평가 손실만큼 거듭제곱한 값</translation>
        </message>
        <message>
            <source>At most in memory during a step</source>
            <translation>한 스텝 동안 메모리를 가장 많이 쓴 값</translation>
        </message>
        <message>
            <source>Tensors that the run left behind</source>
            <translation>실행이 남긴 텐서의 크기</translation>
        </message>
        <message>
            <source>%1 pp · %2</source>
            <translation>%1 %p · %2</translation>
        </message>
        <message>
            <source>The highest of them</source>
            <translation>이 가운데 가장 높음</translation>
        </message>
        <message numerus="yes">
            <source>Of %n answers to held-out rows</source>
            <translation>
                <numerusform>평가 행에 대한 답 %n개 기준</numerusform>
            </translation>
        </message>
        <message>
            <source>chrF %1</source>
            <translation>chrF %1</translation>
        </message>
        <message>
            <source>valid JSON %1</source>
            <translation>올바른 JSON %1</translation>
        </message>
        <message>
            <source>Held-out loss %1</source>
            <translation>평가 손실 %1</translation>
        </message>
        <message>
            <source>Exact</source>
            <translation>정답 일치</translation>
        </message>
        <message>
            <source>Token F1</source>
            <translation>토큰 F1</translation>
        </message>
        <message>
            <source>Held-out loss</source>
            <translation>평가 손실</translation>
        </message>
        <message>
            <source>Share of the answers to the first held-out rows that are the expected ones, to the letter</source>
            <translation>앞쪽 평가 행에 대한 답 가운데 기대한 답과 글자까지 같은 비율</translation>
        </message>
        <message>
            <source>Words that the answers to the first held-out rows share with the expected ones</source>
            <translation>앞쪽 평가 행에 대한 답이 기대한 답과 낱말에서 겹치는 정도</translation>
        </message>
        <message>
            <source>Against the same method over the plain weights: exact answers in percentage points, and perplexity</source>
            <translation>압축하지 않은 가중치에서 같은 방식으로 학습했을 때와 견준 차이: 정답 일치(퍼센트포인트)와 혼란도</translation>
        </message>
    </context>
    <context>
        <name>luthier::ShortRunsPanel</name>
        <message>
            <source>Short runs</source>
            <translation>짧은 실행</translation>
        </message>
        <message>
            <source>&amp;Steps</source>
            <translation>스텝(&amp;S)</translation>
        </message>
        <message>
            <source>Steps of each short run</source>
            <translation>짧은 실행의 스텝 수</translation>
        </message>
        <message>
            <source>Stop</source>
            <translation>중지</translation>
        </message>
        <message>
            <source>Ends the run that trains without saving it, and those that wait</source>
            <translation>학습 중인 실행을 저장하지 않고 끝내고, 대기 중인 실행도 그만둡니다</translation>
        </message>
        <message>
            <source>What the short runs came to</source>
            <translation>짧은 실행의 결과</translation>
        </message>
        <message>
            <source>Step %1</source>
            <translation>스텝 %1</translation>
        </message>
        <message>
            <source>Loss, and held-out loss as a dot</source>
            <translation>손실 (점은 평가 손실)</translation>
        </message>
        <message>
            <source>%1, held-out</source>
            <translation>%1, 평가</translation>
        </message>
        <message>
            <source>Run the ticked one</source>
            <translation>표시한 방식 실행</translation>
        </message>
        <message>
            <source>Run the ticked %1</source>
            <translation>표시한 방식 %1개 실행</translation>
        </message>
        <message>
            <source>Run %1 of %2. Pause it, or stop it, above.</source>
            <translation>실행 %2개 중 %1번째입니다. 위에서 일시 정지하거나 중지할 수 있습니다.</translation>
        </message>
        <message>
            <source>Runs are of the recipe's model; the table is of another.</source>
            <translation>실행은 레시피의 모델로 합니다. 표는 다른 모델의 것입니다.</translation>
        </message>
        <message>
            <source>Choose rows on the Data page: each ticked method trains on the same ones.</source>
            <translation>데이터 페이지에서 데이터를 고르세요. 표시한 방식마다 같은 데이터로 학습합니다.</translation>
        </message>
        <message>
            <source>On %1, one after another; held out: %2.</source>
            <translation>%1 데이터로 차례로 학습하고, %2 데이터로 평가합니다.</translation>
        </message>
        <message>
            <source>On %1, one after another. Name evaluation data on the Train page, and held-out loss and answers are measured too.</source>
            <translation>%1 데이터로 차례로 학습합니다. 학습 페이지에서 평가 데이터를 정하면 평가 손실과 답의 점수도 잽니다.</translation>
        </message>
    </context>
    <context>
        <name>luthier::MethodsPage</name>
        <message>
            <source>A folder with a config.json</source>
            <translation>config.json이 있는 폴더</translation>
        </message>
        <message>
            <source>Methods &amp;for</source>
            <translation>대상 모델(&amp;F)</translation>
        </message>
        <message>
            <source>The model that the methods are for</source>
            <translation>방식을 견줄 모델</translation>
        </message>
        <message>
            <source>Choose another model: its config.json is enough for the table</source>
            <translation>다른 모델 고르기. 표를 만드는 데는 config.json만 있으면 됩니다</translation>
        </message>
        <message>
            <source>Choose another model</source>
            <translation>다른 모델 고르기</translation>
        </message>
        <message>
            <source>&amp;4-bit base beside</source>
            <translation>4비트 베이스도(&amp;4)</translation>
        </message>
        <message>
            <source>Methods that add to the base once more, over its weights in 4 bits</source>
            <translation>베이스에 더하는 방식들을 4비트 가중치 위에서도 함께 보여 줍니다</translation>
        </message>
        <message>
            <source>&amp;Use this method</source>
            <translation>이 방식 쓰기(&amp;U)</translation>
        </message>
        <message>
            <source>Sets the selected method on the Train page</source>
            <translation>고른 방식을 학습 페이지에 설정합니다</translation>
        </message>
        <message>
            <source>What each method takes</source>
            <translation>방식마다 드는 것</translation>
        </message>
        <message>
            <source>Methods and what each takes</source>
            <translation>방식과 각각에 드는 것</translation>
        </message>
        <message>
            <source>Go to Train</source>
            <translation>학습 페이지로</translation>
        </message>
        <message>
            <source>No model yet</source>
            <translation>아직 모델이 없습니다</translation>
        </message>
        <message>
            <source>Every way to tune it is laid side by side here: what trains, what stands in memory, how large the file is. Load a model, or choose a folder above: a config.json is enough.</source>
            <translation>모델을 미세조정하는 모든 방식을 여기에 나란히 놓고, 무엇이 학습되고 메모리를 얼마나 쓰며 파일이 얼마나 큰지 보여 줍니다. 모델을 불러오거나 위에서 폴더를 고르세요. config.json만 있어도 됩니다.</translation>
        </message>
        <message>
            <source>Go to Model</source>
            <translation>모델 페이지로</translation>
        </message>
        <message>
            <source>%1: %2 parameters, computed in %3, %4. Sizes are in powers of ten; activations, which depend on the rows, are in the Train page's forecast.</source>
            <translation>%1: 매개변수 %2개, 계산 형식 %3, %4. 크기는 10의 거듭제곱 단위입니다. 데이터에 따라 달라지는 활성값은 학습 페이지의 예측에 있습니다.</translation>
        </message>
    </context>
    <context>
        <name>luthier::RankModules</name>
        <message>
            <source>Module</source>
            <translation>모듈</translation>
        </message>
        <message>
            <source>Rank</source>
            <translation>랭크</translation>
        </message>
        <message>
            <source>Effective</source>
            <translation>유효 랭크</translation>
        </message>
        <message>
            <source>For 99 %</source>
            <translation>99 % 개수</translation>
        </message>
        <message>
            <source>Norm</source>
            <translation>크기</translation>
        </message>
        <message>
            <source>How many values hold 99 % of the squared norm</source>
            <translation>크기 제곱의 99 %를 이루는 값의 개수</translation>
        </message>
    </context>
    <context>
        <name>luthier::CopiedTable</name>
        <message>
            <source>Copy the table</source>
            <translation>표 복사</translation>
        </message>
        <message>
            <source>Copy the row</source>
            <translation>행 복사</translation>
        </message>
    </context>
    <context>
        <name>luthier::Pager</name>
        <message>
            <source>Previous samples</source>
            <translation>이전 샘플</translation>
        </message>
        <message>
            <source>Next samples</source>
            <translation>다음 샘플</translation>
        </message>
        <message>
            <source>%1 of %2</source>
            <translation>%2개 중 %1</translation>
        </message>
        <message>
            <source>%1–%2 of %3</source>
            <translation>%3개 중 %1–%2</translation>
        </message>
    </context>
    <context>
        <name>luthier::StagesStrip</name>
        <message>
            <source>%1, running</source>
            <translation>%1, 학습 중</translation>
        </message>
        <message>
            <source>%1, done</source>
            <translation>%1, 끝남</translation>
        </message>
        <message>
            <source>The form shows the settings of this stage</source>
            <translation>양식이 이 단계의 설정을 보여 줍니다</translation>
        </message>
        <message>
            <source>Show the settings of this stage in the form</source>
            <translation>이 단계의 설정을 양식에 보여 주기</translation>
        </message>
        <message>
            <source>All tasks</source>
            <translation>모든 과제</translation>
        </message>
        <message>
            <source>What the model knows of every task before the first and after each</source>
            <translation>첫 과제 전과 각 과제 후에 모델이 모든 과제를 얼마나 아는지</translation>
        </message>
        <message>
            <source>Base</source>
            <translation>기반 모델</translation>
        </message>
        <message>
            <source>After %1</source>
            <translation>%1 후</translation>
        </message>
        <message>
            <source>Exact match</source>
            <translation>완전 일치</translation>
        </message>
        <message>
            <source>Token F1</source>
            <translation>토큰 F1</translation>
        </message>
        <message>
            <source>Valid JSON</source>
            <translation>올바른 JSON</translation>
        </message>
        <message>
            <source>Loss</source>
            <translation>손실</translation>
        </message>
        <message>
            <source>Average %1, backward transfer %2, forward transfer %3, forgetting %4</source>
            <translation>평균 %1, 역방향 전이 %2, 순방향 전이 %3, 망각 %4</translation>
        </message>
    </context>
    <context>
        <name>luthier::RewardPlot</name>
        <message>
            <source>How the rewards are spread</source>
            <translation>보상의 분포</translation>
        </message>
        <message>
            <source>Step %1: no rewards</source>
            <translation>스텝 %1: 보상 없음</translation>
        </message>
        <message>
            <source>Step %1: mean %2</source>
            <translation>스텝 %1: 평균 %2</translation>
        </message>
        <message numerus="yes">
            <source>%n answers</source>
            <translation>
                <numerusform>답 %n개</numerusform>
            </translation>
        </message>
        <message>
            <source>Over the run, with the mean</source>
            <translation>학습 전체와 평균</translation>
        </message>
        <message>
            <source>step %1</source>
            <translation>스텝 %1</translation>
        </message>
        <message>
            <source>Step %1</source>
            <translation>스텝 %1</translation>
        </message>
        <message>
            <source>Steps %1 to %2</source>
            <translation>스텝 %1–%2</translation>
        </message>
        <message>
            <source>%1: %2, mean %3, from %4 to %5</source>
            <translation>%1: %2, 평균 %3, %4에서 %5까지</translation>
        </message>
        <message numerus="yes">
            <source>%1 to %2: %n answers</source>
            <translation>
                <numerusform>%1에서 %2까지: 답 %n개</numerusform>
            </translation>
        </message>
    </context>
    <context>
        <name>luthier::RolloutPanel</name>
        <message>
            <source>Prompts and their answers</source>
            <translation>프롬프트와 답</translation>
        </message>
        <message>
            <source>The step before</source>
            <translation>이전 스텝</translation>
        </message>
        <message>
            <source>The next step</source>
            <translation>다음 스텝</translation>
        </message>
        <message>
            <source>Newest</source>
            <translation>최신</translation>
        </message>
        <message>
            <source>Follows the newest step as it comes</source>
            <translation>가장 새로운 스텝을 나오는 대로 보여 줍니다</translation>
        </message>
        <message>
            <source>Whose rewards are shown</source>
            <translation>어느 보상을 볼지</translation>
        </message>
        <message>
            <source>Sum of rewards</source>
            <translation>보상의 합</translation>
        </message>
        <message>
            <source>Step %1 · %2 of %3</source>
            <translation>스텝 %1 · %3개 중 %2번째</translation>
        </message>
        <message>
            <source>No step has drawn answers yet</source>
            <translation>아직 답을 뽑은 스텝이 없습니다</translation>
        </message>
    </context>
    <context>
        <name>luthier::RunViews</name>
        <message>
            <source>What is shown of the run</source>
            <translation>학습에서 볼 것</translation>
        </message>
        <message>
            <source>Curves</source>
            <translation>곡선</translation>
        </message>
        <message>
            <source>Roll-outs</source>
            <translation>롤아웃</translation>
        </message>
        <message>
            <source>The answers that the run draws, with their rewards</source>
            <translation>학습이 뽑은 답과 그 보상</translation>
        </message>
        <message>
            <source>How much worse the probe's questions are answered than before the first step: the fall of the answers' token F1, in points of a hundred.</source>
            <translation>기억 확인 질문에 첫 스텝 전보다 얼마나 못 답하는지 보여 줍니다. 답의 토큰 F1이 떨어진 정도이며 100점 만점입니다.</translation>
        </message>
        <message>
            <source>Forgotten: %1 points of the probe (%2 at the start, %3 at step %4)</source>
            <translation>잊음: 기억 확인에서 %1점(시작할 때 %2, 스텝 %4에서 %3)</translation>
        </message>
        <message>
            <source>Nothing forgotten: %1 points on the probe (%2 at the start, %3 at step %4)</source>
            <translation>잊지 않음: 기억 확인에서 %1점(시작할 때 %2, 스텝 %4에서 %3)</translation>
        </message>
    </context>
    <context>
        <name>DrawnAnswers</name>
        <message numerus="yes">
            <source>%n tokens</source>
            <translation>
                <numerusform>토큰 %n개</numerusform>
            </translation>
        </message>
        <message>
            <source>(empty)</source>
            <translation>(빈 답)</translation>
        </message>
        <message>
            <source>shorter</source>
            <translation>짧게</translation>
        </message>
        <message>
            <source>all %1 characters</source>
            <translation>전체 %1자</translation>
        </message>
        <message>
            <source>best</source>
            <translation>최고</translation>
        </message>
        <message>
            <source>worst</source>
            <translation>최저</translation>
        </message>
    </context>
    <context>
        <name>luthier::ProgramChooser</name>
        <message>
            <source>A program of your own…</source>
            <translation>내 프로그램…</translation>
        </message>
        <message>
            <source>No program</source>
            <translation>프로그램 없음</translation>
        </message>
        <message>
            <source>Choose a program that judges answers</source>
            <translation>답을 평가할 프로그램 고르기</translation>
        </message>
        <message>
            <source>It is run as you, with all that you may do, from this run's start to its end. No recipe keeps it.</source>
            <translation>학습이 시작해서 끝날 때까지, 지금 사용자의 권한 그대로 실행됩니다. 레시피에는 남지 않습니다.</translation>
        </message>
        <message>
            <source>It is not run: the rewards do not name "%1".</source>
            <translation>실행되지 않습니다. 보상에 "%1"이 없습니다.</translation>
        </message>
        <message>
            <source>The rewards name "%1", and none is chosen.</source>
            <translation>보상에 "%1"이 있는데 프로그램을 고르지 않았습니다.</translation>
        </message>
    </context>
    <context>
        <name>luthier::LiveSettings</name>
        <message>
            <source>Learning &amp;rate from the next step</source>
            <translation>다음 스텝부터 쓸 학습률(&amp;R)</translation>
        </message>
        <message>
            <source>Learning rate from the next step</source>
            <translation>다음 스텝부터 쓸 학습률</translation>
        </message>
        <message>
            <source>Max &amp;grad norm</source>
            <translation>기울기 노름 한도(&amp;G)</translation>
        </message>
        <message>
            <source>Max grad norm from the next step</source>
            <translation>다음 스텝부터 쓸 기울기 노름 한도</translation>
        </message>
        <message>
            <source>Log e&amp;very</source>
            <translation>기록 간격(&amp;V)</translation>
        </message>
        <message>
            <source>Steps between two lines of metrics, from now on</source>
            <translation>지금부터 기록 사이의 스텝 수</translation>
        </message>
        <message>
            <source>Apply</source>
            <translation>적용</translation>
        </message>
        <message>
            <source>%1 %2 from the next step; now %3</source>
            <translation>%1: 다음 스텝부터 %2, 지금 %3</translation>
        </message>
        <message>
            <source>Peak rate in force: %1</source>
            <translation>지금의 최고 학습률: %1</translation>
        </message>
    </context>
    <context>
        <name>luthier::Filmstrip</name>
        <message>
            <source>With “Answer samples every”, the run answers the same few questions as it learns, and what it says then stands here.</source>
            <translation>“샘플에 답하는 간격”을 정하면 학습하는 동안 같은 질문 몇 개에 답하고, 그때그때의 답이 여기에 남습니다.</translation>
        </message>
        <message>
            <source>Sample questions and their answers</source>
            <translation>샘플 질문과 답</translation>
        </message>
        <message>
            <source>The answers before</source>
            <translation>이전 답</translation>
        </message>
        <message>
            <source>The next answers</source>
            <translation>다음 답</translation>
        </message>
        <message>
            <source>The step whose answers are shown</source>
            <translation>답을 보여 줄 스텝</translation>
        </message>
        <message>
            <source>Newest</source>
            <translation>최신</translation>
        </message>
        <message>
            <source>Follows the newest answers as they come</source>
            <translation>새 답이 나오는 대로 보여 줍니다</translation>
        </message>
        <message>
            <source>an empty answer</source>
            <translation>빈 답</translation>
        </message>
        <message>
            <source>✓ as expected</source>
            <translation>✓ 정답과 같음</translation>
        </message>
        <message>
            <source>expected: %1</source>
            <translation>정답: %1</translation>
        </message>
        <message>
            <source>Before the first step · %1 of %2</source>
            <translation>첫 스텝 전 · %2개 중 %1번째</translation>
        </message>
        <message>
            <source>Step %1 · %2 of %3</source>
            <translation>스텝 %1 · %3개 중 %2번째</translation>
        </message>
    </context>
    <context>
        <name>luthier::ForkDialog</name>
        <message>
            <source>Fork a run</source>
            <translation>학습에서 분기하기</translation>
        </message>
        <message>
            <source>More steps</source>
            <translation>스텝 더하기</translation>
        </message>
        <message>
            <source>A new run from a checkpoint of %1</source>
            <translation>%1의 체크포인트에서 시작하는 새 학습</translation>
        </message>
        <message>
            <source>More steps for %1</source>
            <translation>%1에 스텝 더하기</translation>
        </message>
        <message>
            <source>&amp;Name of the new run</source>
            <translation>새 학습의 이름(&amp;N)</translation>
        </message>
        <message>
            <source>Name of the new run</source>
            <translation>새 학습의 이름</translation>
        </message>
        <message>
            <source>Begins with s&amp;tep</source>
            <translation>시작할 스텝(&amp;T)</translation>
        </message>
        <message>
            <source>&amp;Further steps</source>
            <translation>더할 스텝 수(&amp;F)</translation>
        </message>
        <message>
            <source>Checkpoint to begin with</source>
            <translation>시작할 체크포인트</translation>
        </message>
        <message>
            <source>Further steps</source>
            <translation>더할 스텝 수</translation>
        </message>
        <message>
            <source>Carry the &amp;optimizer's state on</source>
            <translation>옵티마이저 상태 이어 가기(&amp;O)</translation>
        </message>
        <message>
            <source>On: the run goes on from that step, with the curves until there. Off: it takes the weights alone and begins at step 0.</source>
            <translation>켜면 그 스텝에서 곡선까지 이어받아 계속합니다. 끄면 가중치만 가져와 0스텝부터 시작합니다.</translation>
        </message>
        <message>
            <source>Settings that are to differ</source>
            <translation>다르게 할 설정</translation>
        </message>
        <message>
            <source>&amp;Cancel</source>
            <translation>취소(&amp;C)</translation>
        </message>
        <message>
            <source>&amp;Make it, start later</source>
            <translation>만들어 두고 나중에 시작(&amp;M)</translation>
        </message>
        <message>
            <source>Make it and &amp;start</source>
            <translation>만들고 바로 시작(&amp;S)</translation>
        </message>
        <message>
            <source>The finished run stays as it is. The new one goes on from step %1 to step %2, its optimizer carried on.</source>
            <translation>끝난 학습은 그대로 남습니다. 새 학습은 옵티마이저를 이어받아 %1스텝에서 %2스텝까지 계속합니다.</translation>
        </message>
        <message>
            <source>It ends as if that many steps had been asked for from the start.</source>
            <translation>처음부터 그만큼의 스텝을 지정한 것과 똑같이 끝납니다.</translation>
        </message>
        <message>
            <source>It does not end as if that many had been asked for from the start:</source>
            <translation>처음부터 그만큼을 지정한 것과는 다르게 끝납니다.</translation>
        </message>
        <message>
            <source>Goes on from step %1 with the optimizer's moments, the schedule at that step and the rows that come next. The curves until there are copied.</source>
            <translation>옵티마이저의 모멘트와 그 스텝의 스케줄, 그다음 행부터 %1스텝에서 이어 갑니다. 그때까지의 곡선은 복사됩니다.</translation>
        </message>
        <message>
            <source>Takes the weights of step %1 and nothing else: a fresh optimizer, the schedule and the rows from their start, at step 0.</source>
            <translation>%1스텝의 가중치만 가져옵니다. 옵티마이저는 새로 만들고, 스케줄과 행은 처음부터, 0스텝에서 시작합니다.</translation>
        </message>
        <message>
            <source>Another run or a model is being worked on now</source>
            <translation>지금 다른 학습이나 모델을 처리하고 있습니다</translation>
        </message>
    </context>
    <context>
        <name>luthier::NotesPanel</name>
        <message>
            <source>T&amp;ags</source>
            <translation>태그(&amp;A)</translation>
        </message>
        <message>
            <source>Tags of the selected run</source>
            <translation>선택한 학습의 태그</translation>
        </message>
        <message>
            <source>baseline, good: with commas between them</source>
            <translation>기준, 좋음: 쉼표로 나누어 씁니다</translation>
        </message>
        <message>
            <source>N&amp;ote</source>
            <translation>메모(&amp;O)</translation>
        </message>
        <message>
            <source>Note about the selected run</source>
            <translation>선택한 학습에 대한 메모</translation>
        </message>
        <message>
            <source>What you tried, what came of it. Kept in the run's folder.</source>
            <translation>무엇을 해 보았고 어떻게 되었는지 적으세요. 학습 폴더에 저장됩니다.</translation>
        </message>
    </context>
    <context>
        <name>luthier::OutcomesView</name>
        <message>
            <source>&amp;Of</source>
            <translation>대상(&amp;O)</translation>
        </message>
        <message>
            <source>Whose outcomes are shown</source>
            <translation>결과를 볼 학습</translation>
        </message>
        <message>
            <source>Settings and outcomes as parallel coordinates</source>
            <translation>설정과 결과의 평행 좌표 그림</translation>
        </message>
        <message>
            <source>Settings and outcomes</source>
            <translation>설정과 결과</translation>
        </message>
        <message>
            <source>the ticked runs</source>
            <translation>체크한 학습</translation>
        </message>
        <message>
            <source>Peak memory</source>
            <translation>최대 메모리</translation>
        </message>
        <message>
            <source>Time</source>
            <translation>시간</translation>
        </message>
        <message>
            <source>Last loss</source>
            <translation>마지막 손실</translation>
        </message>
        <message>
            <source>Best evaluation</source>
            <translation>최저 평가 손실</translation>
        </message>
        <message>
            <source>Tick two runs or more, or choose a tag.</source>
            <translation>학습을 둘 이상 체크하거나 태그를 고르세요.</translation>
        </message>
        <message numerus="yes">
            <source>%n runs; the strongest line has the lowest evaluation loss.</source>
            <translation>
                <numerusform>학습 %n개. 가장 진한 선이 평가 손실이 가장 낮습니다.</numerusform>
            </translation>
        </message>
        <message numerus="yes">
            <source>%n runs; the strongest line has the lowest last loss.</source>
            <translation>
                <numerusform>학습 %n개. 가장 진한 선이 마지막 손실이 가장 낮습니다.</numerusform>
            </translation>
        </message>
        <message>
            <source>Run</source>
            <translation>학습</translation>
        </message>
    </context>
    <context>
        <name>luthier::QueuePanel</name>
        <message>
            <source>&amp;Queue the Train page's recipe</source>
            <translation>학습 페이지의 레시피를 대기열에(&amp;Q)</translation>
        </message>
        <message>
            <source>Runs as the settings stand now, after what waits already</source>
            <translation>지금 설정 그대로, 이미 기다리는 것 다음에 학습합니다</translation>
        </message>
        <message>
            <source>Swee&amp;p…</source>
            <translation>스윕(&amp;P)…</translation>
        </message>
        <message>
            <source>A run for each combination of a few values of a few settings</source>
            <translation>몇 가지 설정의 몇 가지 값을 조합해 하나씩 학습합니다</translation>
        </message>
        <message>
            <source>Clear what has &amp;ended</source>
            <translation>끝난 것 지우기(&amp;E)</translation>
        </message>
        <message>
            <source>Earlier</source>
            <translation>앞으로</translation>
        </message>
        <message>
            <source>Later</source>
            <translation>뒤로</translation>
        </message>
        <message>
            <source>Take it out of the queue</source>
            <translation>대기열에서 빼기</translation>
        </message>
        <message>
            <source>Queued runs</source>
            <translation>대기열의 학습</translation>
        </message>
        <message>
            <source>Name</source>
            <translation>이름</translation>
        </message>
        <message>
            <source>State</source>
            <translation>상태</translation>
        </message>
        <message>
            <source>Group</source>
            <translation>묶음</translation>
        </message>
        <message>
            <source>Run folder</source>
            <translation>학습 폴더</translation>
        </message>
        <message>
            <source>waits</source>
            <translation>대기 중</translation>
        </message>
        <message>
            <source>&amp;Go on</source>
            <translation>계속(&amp;G)</translation>
        </message>
        <message>
            <source>&amp;Hold</source>
            <translation>멈춰 두기(&amp;H)</translation>
        </message>
        <message>
            <source>Launches what waits, one after another</source>
            <translation>기다리는 학습을 하나씩 시작합니다</translation>
        </message>
        <message>
            <source>Launches nothing more; what runs goes on</source>
            <translation>더 시작하지 않습니다. 학습 중인 것은 계속됩니다</translation>
        </message>
        <message numerus="yes">
            <source>Held; %n runs wait.</source>
            <translation>
                <numerusform>멈춰 둠. 학습 %n개가 기다립니다.</numerusform>
            </translation>
        </message>
        <message numerus="yes">
            <source>%n runs wait.</source>
            <translation>
                <numerusform>학습 %n개가 기다립니다.</numerusform>
            </translation>
        </message>
        <message>
            <source>A setting on the Train page cannot be used: mend it first.</source>
            <translation>학습 페이지에 쓸 수 없는 설정이 있습니다. 먼저 고치세요.</translation>
        </message>
        <message>
            <source>Nothing is queued: add the Train page's recipe, or make a sweep.</source>
            <translation>대기열이 비어 있습니다. 학습 페이지의 레시피를 넣거나 스윕을 만드세요.</translation>
        </message>
        <message>
            <source>A recipe of stages is launched, not queued.</source>
            <translation>단계로 된 레시피는 대기열에 넣을 수 없습니다. 바로 학습을 시작하세요.</translation>
        </message>
    </context>
    <context>
        <name>luthier::RunActions</name>
        <message>
            <source>&amp;Fork from a checkpoint…</source>
            <translation>체크포인트에서 분기하기(&amp;F)…</translation>
        </message>
        <message>
            <source>A new run that begins with one of its checkpoints, with other settings</source>
            <translation>이 학습의 체크포인트에서 다른 설정으로 시작하는 새 학습입니다</translation>
        </message>
        <message>
            <source>&amp;More steps…</source>
            <translation>스텝 더하기(&amp;M)…</translation>
        </message>
        <message>
            <source>A new run that goes on from a finished one</source>
            <translation>끝난 학습에서 이어 가는 새 학습입니다</translation>
        </message>
        <message>
            <source>&amp;Rename</source>
            <translation>이름 바꾸기(&amp;R)</translation>
        </message>
        <message>
            <source>&amp;Open its folder</source>
            <translation>폴더 열기(&amp;O)</translation>
        </message>
        <message>
            <source>&amp;Import curves of another program…</source>
            <translation>다른 프로그램의 곡선 가져오기(&amp;I)…</translation>
        </message>
        <message>
            <source>TensorBoard's event files or a trainer_state.json, to lay over</source>
            <translation>겹쳐 볼 TensorBoard 이벤트 파일이나 trainer_state.json</translation>
        </message>
        <message>
            <source>&amp;Take the imported curves out of the list</source>
            <translation>가져온 곡선을 목록에서 빼기(&amp;T)</translation>
        </message>
        <message>
            <source>Tick &amp;all shown</source>
            <translation>보이는 것 모두 체크(&amp;A)</translation>
        </message>
        <message>
            <source>Tick n&amp;one</source>
            <translation>모두 체크 해제(&amp;O)</translation>
        </message>
        <message>
            <source>Move to the &amp;bin (%1)</source>
            <translation>휴지통으로 옮기기(%1)(&amp;B)</translation>
        </message>
        <message>
            <source>Move to the &amp;bin</source>
            <translation>휴지통으로 옮기기(&amp;B)</translation>
        </message>
        <message>
            <source>It trains now: stop it first</source>
            <translation>지금 학습 중입니다. 먼저 멈추세요</translation>
        </message>
        <message>
            <source>%1 (%2) is in the bin: %3.</source>
            <translation>%1(%2)을(를) 휴지통으로 옮겼습니다: %3</translation>
        </message>
        <message>
            <source>Undo</source>
            <translation>되돌리기</translation>
        </message>
        <message>
            <source>Event files of TensorBoard, or a trainer_state.json</source>
            <translation>TensorBoard 이벤트 파일 또는 trainer_state.json</translation>
        </message>
        <message>
            <source>Curves (*tfevents* trainer_state.json);;All files (*)</source>
            <translation>곡선 (*tfevents* trainer_state.json);;모든 파일 (*)</translation>
        </message>
        <message>
            <source>&amp;Chat with its result…</source>
            <translation>결과와 대화하기(&amp;C)…</translation>
        </message>
        <message>
            <source>E&amp;xport its result…</source>
            <translation>결과 내보내기(&amp;X)…</translation>
        </message>
        <message>
            <source>GGUF for llama.cpp and Ollama, a checkpoint, a PEFT folder</source>
            <translation>llama.cpp와 Ollama용 GGUF, 체크포인트, PEFT 폴더</translation>
        </message>
    </context>
    <context>
        <name>luthier::DifferencesView</name>
        <message>
            <source>Settings that differ</source>
            <translation>다른 설정</translation>
        </message>
        <message>
            <source>Tick two runs or more: what was set differently stands here.</source>
            <translation>기록을 둘 이상 표시하면 서로 다른 설정이 여기에 나옵니다.</translation>
        </message>
        <message>
            <source>Setting</source>
            <translation>설정</translation>
        </message>
        <message>
            <source>These runs have the same settings.</source>
            <translation>이 기록들은 설정이 모두 같습니다.</translation>
        </message>
        <message numerus="yes">
            <source>%n settings differ.</source>
            <translation>
                <numerusform>설정 %n개가 다릅니다.</numerusform>
            </translation>
        </message>
    </context>
    <context>
        <name>luthier::SettingRows</name>
        <message>
            <source>Another setting</source>
            <translation>설정 더하기</translation>
        </message>
        <message>
            <source>Setting</source>
            <translation>설정</translation>
        </message>
        <message>
            <source>Value</source>
            <translation>값</translation>
        </message>
        <message>
            <source>Take this setting out</source>
            <translation>이 설정 빼기</translation>
        </message>
    </context>
    <context>
        <name>luthier::SweepDialog</name>
        <message>
            <source>Sweep</source>
            <translation>스윕</translation>
        </message>
        <message>
            <source>Runs with a few values of a few settings</source>
            <translation>몇 가지 설정의 몇 가지 값으로 학습하기</translation>
        </message>
        <message>
            <source>&amp;Name of the sweep</source>
            <translation>스윕의 이름(&amp;N)</translation>
        </message>
        <message>
            <source>Name of the sweep</source>
            <translation>스윕의 이름</translation>
        </message>
        <message>
            <source>The values to try, with commas between them; with semicolons where a value holds commas. Every combination is a run of its own.</source>
            <translation>시도할 값을 쉼표로 나누어 쓰세요. 값 안에 쉼표가 있으면 세미콜론으로 나눕니다. 조합마다 학습이 하나씩 생깁니다.</translation>
        </message>
        <message>
            <source>&amp;Cancel</source>
            <translation>취소(&amp;C)</translation>
        </message>
        <message numerus="yes">
            <source>&amp;Queue %n runs</source>
            <translation>
                <numerusform>학습 %n개 대기열에 넣기(&amp;Q)</numerusform>
            </translation>
        </message>
        <message>
            <source>&amp;Queue</source>
            <translation>대기열에 넣기(&amp;Q)</translation>
        </message>
    </context>
    <context>
        <name>luthier::AnnotateWindow</name>
        <message>
            <source>A dataset from pictures</source>
            <translation>이미지로 데이터셋 만들기</translation>
        </message>
        <message>
            <source>An answer is not accepted</source>
            <translation>받아들이지 않은 답변이 있습니다</translation>
        </message>
        <message>
            <source>The answer that stands there is in no row. Close all the same?</source>
            <translation>입력한 답변이 아직 어느 행에도 없습니다. 그래도 닫을까요?</translation>
        </message>
        <message>
            <source>&amp;Close all the same</source>
            <translation>그래도 닫기(&amp;C)</translation>
        </message>
        <message>
            <source>&amp;Stay here</source>
            <translation>계속하기(&amp;S)</translation>
        </message>
    </context>
    <context>
        <name>luthier::AnnotationDesk</name>
        <message>
            <source>&amp;Train on these rows</source>
            <translation>이 행으로 학습(&amp;T)</translation>
        </message>
        <message>
            <source>The file becomes the training data of the recipe</source>
            <translation>이 파일을 레시피의 학습 데이터로 씁니다</translation>
        </message>
        <message>
            <source>Pictures and questions</source>
            <translation>이미지와 질문</translation>
        </message>
        <message>
            <source>The picture that is asked about</source>
            <translation>질문할 이미지</translation>
        </message>
        <message>
            <source>How much is done</source>
            <translation>진행 정도</translation>
        </message>
        <message>
            <source>Q&amp;uestion</source>
            <translation>질문(&amp;U)</translation>
        </message>
        <message>
            <source>Answer &amp;2</source>
            <translation>답변 &amp;2</translation>
        </message>
        <message>
            <source>&amp;Who proposes</source>
            <translation>제안하는 모델(&amp;W)</translation>
        </message>
        <message>
            <source>Who proposes answers</source>
            <translation>답변을 제안하는 모델</translation>
        </message>
        <message>
            <source>&amp;Propose</source>
            <translation>제안받기(&amp;P)</translation>
        </message>
        <message>
            <source>Propose as I &amp;go</source>
            <translation>진행하면서 미리 제안(&amp;G)</translation>
        </message>
        <message>
            <source>The next picture is answered while you look at this one</source>
            <translation>이 이미지를 보는 동안 다음 이미지의 답변을 만듭니다</translation>
        </message>
        <message>
            <source>&amp;Accept</source>
            <translation>받아들이기(&amp;A)</translation>
        </message>
        <message>
            <source>1 is better</source>
            <translation>1이 낫다</translation>
        </message>
        <message>
            <source>2 is better</source>
            <translation>2가 낫다</translation>
        </message>
        <message>
            <source>Good</source>
            <translation>좋음</translation>
        </message>
        <message>
            <source>Bad</source>
            <translation>나쁨</translation>
        </message>
        <message>
            <source>&amp;Skip</source>
            <translation>건너뛰기(&amp;S)</translation>
        </message>
        <message>
            <source>&amp;Back</source>
            <translation>뒤로(&amp;B)</translation>
        </message>
        <message>
            <source>Take the row &amp;out again</source>
            <translation>행을 다시 빼기(&amp;O)</translation>
        </message>
        <message>
            <source>base</source>
            <translation>베이스</translation>
        </message>
        <message>
            <source>%1 of %2 answered, %3 skipped</source>
            <translation>%2개 중 %1개 답변, %3개 건너뜀</translation>
        </message>
        <message>
            <source>Answer &amp;1</source>
            <translation>답변 &amp;1</translation>
        </message>
        <message>
            <source>A&amp;nswer</source>
            <translation>답변(&amp;N)</translation>
        </message>
        <message>
            <source>First answer</source>
            <translation>첫째 답변</translation>
        </message>
        <message>
            <source>Answer</source>
            <translation>답변</translation>
        </message>
        <message>
            <source>Second answer</source>
            <translation>둘째 답변</translation>
        </message>
        <message>
            <source>&amp;Propose another</source>
            <translation>다른 제안(&amp;P)</translation>
        </message>
        <message>
            <source>The model answers…</source>
            <translation>모델이 답하는 중…</translation>
        </message>
        <message>
            <source>Proposed by the model; change what is wrong.</source>
            <translation>모델의 제안입니다. 틀린 곳을 고치세요.</translation>
        </message>
        <message>
            <source>Proposed by the model, and cut off before its end.</source>
            <translation>모델의 제안이며 끝나기 전에 잘렸습니다.</translation>
        </message>
        <message>
            <source>This answer is a model&apos;s.</source>
            <translation>모델이 쓴 답변입니다.</translation>
        </message>
        <message>
            <source>Load a model, and it proposes answers.</source>
            <translation>모델을 불러오면 답변을 제안합니다.</translation>
        </message>
    </context>
    <context>
        <name>luthier::AnnotationSetup</name>
        <message>
            <source>Folder of pictures</source>
            <translation>이미지 폴더</translation>
        </message>
        <message>
            <source>File of rows</source>
            <translation>행 파일</translation>
        </message>
        <message>
            <source>Rows (*.jsonl)</source>
            <translation>행 (*.jsonl)</translation>
        </message>
        <message>
            <source>Go on with</source>
            <translation>이어서 하기</translation>
        </message>
        <message>
            <source>Annotations (*.annotation.json)</source>
            <translation>주석 작업 (*.annotation.json)</translation>
        </message>
        <message>
            <source>A dataset from pictures</source>
            <translation>이미지로 데이터셋 만들기</translation>
        </message>
        <message>
            <source>Each picture is asked your questions, one after another. You type the answers, or take over, mend or pass what a loaded model proposes. Every answer is in the file at once, and the pictures stay as they are.</source>
            <translation>이미지마다 질문을 하나씩 묻습니다. 답변을 직접 쓰거나, 불러온 모델의 제안을 받아들이고 고치고 넘깁니다. 답변은 바로 파일에 들어가며 이미지는 그대로 둡니다.</translation>
        </message>
        <message>
            <source>&amp;Pictures</source>
            <translation>이미지(&amp;P)</translation>
        </message>
        <message>
            <source>A folder; drop one here</source>
            <translation>폴더. 여기에 끌어다 놓아도 됩니다</translation>
        </message>
        <message>
            <source>Choose…</source>
            <translation>고르기…</translation>
        </message>
        <message>
            <source>Choose the folder of pictures</source>
            <translation>이미지 폴더 고르기</translation>
        </message>
        <message>
            <source>&amp;Rows</source>
            <translation>행(&amp;R)</translation>
        </message>
        <message>
            <source>What the rows are</source>
            <translation>행의 종류</translation>
        </message>
        <message>
            <source>Questions and answers</source>
            <translation>질문과 답변</translation>
        </message>
        <message>
            <source>Pairs: the better of two answers</source>
            <translation>쌍: 두 답변 중 나은 것</translation>
        </message>
        <message>
            <source>Thumbs: is the answer good?</source>
            <translation>평가: 답변이 좋은가?</translation>
        </message>
        <message>
            <source>For supervised tuning</source>
            <translation>지도 미세조정용</translation>
        </message>
        <message>
            <source>For dpo and others that learn from preferences</source>
            <translation>dpo처럼 선호에서 배우는 목표용</translation>
        </message>
        <message>
            <source>For kto and bco</source>
            <translation>kto와 bco용</translation>
        </message>
        <message>
            <source>&amp;Questions</source>
            <translation>질문(&amp;Q)</translation>
        </message>
        <message>
            <source>Questions, one a line</source>
            <translation>질문, 한 줄에 하나</translation>
        </message>
        <message>
            <source>One a line. {file} stands for the picture&apos;s name, {folder} for its folder&apos;s.</source>
            <translation>한 줄에 하나씩. {file}은 이미지 이름, {folder}는 그 폴더 이름입니다.</translation>
        </message>
        <message>
            <source>&amp;File</source>
            <translation>파일(&amp;F)</translation>
        </message>
        <message>
            <source>Choose the file of rows</source>
            <translation>행 파일 고르기</translation>
        </message>
        <message>
            <source>&amp;Go on with one…</source>
            <translation>이어서 하기(&amp;G)…</translation>
        </message>
        <message>
            <source>&amp;Begin</source>
            <translation>시작(&amp;B)</translation>
        </message>
    </context>
    <context>
        <name>luthier::ItemModel</name>
        <message>
            <source>answered</source>
            <translation>답변함</translation>
        </message>
        <message>
            <source>skipped</source>
            <translation>건너뜀</translation>
        </message>
        <message>
            <source>open</source>
            <translation>남음</translation>
        </message>
    </context>
    <context>
        <name>luthier::SynthesisPanel</name>
        <message>
            <source>Samples</source>
            <translation>표본 수</translation>
        </message>
        <message>
            <source>Samples an item</source>
            <translation>항목당 표본 수</translation>
        </message>
        <message>
            <source>Agreement</source>
            <translation>일치율</translation>
        </message>
        <message>
            <source>Agreement that is asked for</source>
            <translation>요구하는 일치율</translation>
        </message>
        <message>
            <source>The share of the samples that must be the same answer</source>
            <translation>같은 답변이어야 하는 표본의 비율</translation>
        </message>
        <message>
            <source>Must hold</source>
            <translation>포함할 것</translation>
        </message>
        <message>
            <source>Regular expression that an answer must hold</source>
            <translation>답변이 포함해야 하는 정규식</translation>
        </message>
        <message>
            <source>regular expression; empty: anything</source>
            <translation>정규식. 비우면 무엇이든</translation>
        </message>
        <message>
            <source>Stop</source>
            <translation>멈추기</translation>
        </message>
        <message>
            <source>&amp;Fill the open ones</source>
            <translation>남은 것 채우기(&amp;F)</translation>
        </message>
        <message>
            <source>%1 of %2 looked at, %3 kept</source>
            <translation>%2개 중 %1개 확인, %3개 채택</translation>
        </message>
        <message>
            <source>Or let the model answer all that is open, and keep what its samples agree on. Each row says so.</source>
            <translation>남은 것을 모델이 모두 답하게 하고 표본이 일치하는 답변만 남길 수도 있습니다. 행마다 그렇게 적힙니다.</translation>
        </message>
        <message>
            <source>&quot;%1&quot; is no regular expression: %2.</source>
            <translation>&quot;%1&quot;은(는) 정규식이 아닙니다: %2.</translation>
        </message>
    </context>
    <context>
        <name>Help</name>
        <message>
            <source>Start</source>
            <translation>시작</translation>
        </message>
        <message>
            <source>Begin here. The guided tour trains a small model in front of you and explains each curve. A teaching task begins with one click: “Train it” launches it at once, “Only set it up” fills in the settings and waits.

Below stand the models, recipes and runs that you had in hand before. A run that was interrupted can be resumed from here.</source>
            <translation>여기서 시작합니다. 둘러보기는 작은 모델을 눈앞에서 학습시키며 곡선을 하나씩 설명합니다. 교육용 과제는 클릭 한 번으로 시작합니다. “바로 학습”은 곧바로 학습하고, “설정만 채우기”는 설정을 채워 놓고 기다립니다.

아래에는 전에 쓰던 모델, 레시피, 실행이 있습니다. 중단된 실행은 여기서 이어 갈 수 있습니다.</translation>
        </message>
        <message>
            <source>Model</source>
            <translation>모델</translation>
        </message>
        <message>
            <source>Load the model that is to learn: a folder as transformers writes it. The list shows what is on this machine; a model can also be downloaded from a hub.

Once it stands, the tree shows its modules with their shapes and what trains. Ticks in the tree choose the target modules of an adapter; the totals follow.</source>
            <translation>학습할 모델을 불러옵니다. transformers가 쓰는 형식의 폴더입니다. 목록에는 이 컴퓨터에 있는 것이 나오며, 허브에서 내려받을 수도 있습니다.

모델을 불러오면 트리에 모듈의 모양과 학습 여부가 나옵니다. 트리에서 체크하면 어댑터의 대상 모듈이 정해지고 합계가 따라 바뀝니다.</translation>
        </message>
        <message>
            <source>Data</source>
            <translation>데이터</translation>
        </message>
        <message>
            <source>The rows to learn from, each as the model gets it: what is coloured is learned, the rest is only read. The check looks at every row and picture and names what is wrong before a run would stumble over it.</source>
            <translation>배울 행을 모델이 받는 그대로 보여 줍니다. 색칠된 부분은 배우고 나머지는 읽기만 합니다. 검사는 모든 행과 그림을 살펴, 실행이 걸려 넘어지기 전에 무엇이 잘못되었는지 알려 줍니다.</translation>
        </message>
        <message>
            <source>Train</source>
            <translation>학습</translation>
        </message>
        <message>
            <source>On the left the settings. Simple ones show at first, “Advanced” shows all; what differs from its default is bold. Changes can be undone. Press F1 in a setting to read about it.

Below them stands what the run will take in memory, part by part, before it starts. “Try one step” makes one step on the longest row and measures it.

On the right the curves of the run. They share one axis: drag and turn the wheel to look closer, double-click to see all. While the run is paused the model stays loaded and can be asked something. “Stop” asks whether to save.</source>
            <translation>왼쪽에 설정이 있습니다. 처음에는 간단한 것만 보이고 “고급”을 누르면 모두 보입니다. 기본값과 다른 것은 굵게 표시됩니다. 바꾼 것은 되돌릴 수 있습니다. 설정에서 F1을 누르면 설명이 나옵니다.

그 아래에는 실행이 쓸 메모리가 시작 전에 부분별로 나옵니다. “한 스텝 해 보기”는 가장 긴 행으로 한 스텝을 돌려 재어 봅니다.

오른쪽에는 실행의 곡선이 있습니다. 가로축을 함께 쓰며, 끌거나 휠을 돌려 자세히 보고 두 번 클릭하면 전체가 보입니다. 일시 정지한 동안에도 모델은 남아 있어 질문할 수 있습니다. “중지”는 저장할지 묻습니다.</translation>
        </message>
        <message>
            <source>Compare</source>
            <translation>비교</translation>
        </message>
        <message>
            <source>Adapters side by side on one base, with the same pictures, questions and seed. Attach adapters from finished runs, open samples and run all. Words that differ from the reference are marked; point at a word to see how sure the model was and what else it might have said. The slider in a column&apos;s head makes an adapter weaker or stronger.</source>
            <translation>같은 베이스에서 같은 그림, 질문, 시드로 어댑터를 나란히 비교합니다. 끝난 실행의 어댑터를 붙이고 샘플을 연 다음 모두 실행합니다. 기준과 다른 단어는 표시됩니다. 단어를 가리키면 모델이 얼마나 확신했는지, 달리 무엇을 말할 뻔했는지 나옵니다. 열 머리의 슬라이더로 어댑터의 세기를 조절합니다.</translation>
        </message>
        <message>
            <source>Runs</source>
            <translation>기록</translation>
        </message>
        <message>
            <source>Every run that was trained, with its curves. Tick several to lay their curves over one another and to see which settings differ. “Use its settings” takes a run&apos;s settings back to the Train page, “Resume” goes on from its newest checkpoint.</source>
            <translation>학습한 모든 기록과 그 곡선입니다. 여러 개를 체크하면 곡선이 겹쳐지고 어떤 설정이 다른지 보입니다. “이 설정 쓰기”는 기록의 설정을 학습 페이지로 가져가고, “이어서 학습”는 최신 체크포인트에서 이어 갑니다.</translation>
        </message>
        <message>
            <source>Methods</source>
            <translation>방식</translation>
        </message>
        <message>
            <source>All methods for the loaded model beside one another: how much trains, what memory it takes, how large the result is. Tick a few and run them for some steps to see which one learns your data best.</source>
            <translation>불러온 모델에 쓸 수 있는 모든 방식을 나란히 보여 줍니다. 얼마나 학습하는지, 메모리를 얼마나 쓰는지, 결과가 얼마나 큰지 나옵니다. 몇 개를 체크해 몇 스텝 돌려 보면 어느 것이 데이터를 가장 잘 배우는지 알 수 있습니다.</translation>
        </message>
        <message>
            <source>Merge</source>
            <translation>병합</translation>
        </message>
        <message>
            <source>Several adapters made into one, or worked into the base&apos;s weights. The weights and the way of merging can be tried on questions before anything is written; the proof says how far the merged model&apos;s answers are from the unmerged one&apos;s.</source>
            <translation>여러 어댑터를 하나로 합치거나 베이스의 가중치에 넣습니다. 무언가를 쓰기 전에 가중치와 병합 방식을 질문으로 시험해 볼 수 있습니다. 증명은 병합한 모델의 답이 병합하지 않은 모델의 답과 얼마나 다른지 알려 줍니다.</translation>
        </message>
        <message>
            <source>Ranks</source>
            <translation>랭크</translation>
        </message>
        <message>
            <source>What an adapter uses of its rank: the singular values of each module&apos;s change, how many of them carry it, and which layers changed most. An adapter whose effective rank is far below its rank would have done with less.</source>
            <translation>어댑터가 랭크를 얼마나 쓰는지 보여 줍니다. 모듈마다 변화의 특잇값, 그중 몇 개가 변화를 이루는지, 어느 층이 가장 많이 바뀌었는지 나옵니다. 유효 랭크가 랭크보다 훨씬 작으면 더 작은 랭크로도 충분했을 것입니다.</translation>
        </message>
        <message>
            <source>%1 to %2</source>
            <translation>%1~%2</translation>
        </message>
        <message>
            <source>above %1</source>
            <translation>%1보다 큼</translation>
        </message>
        <message>
            <source>%1 or more</source>
            <translation>%1 이상</translation>
        </message>
        <message>
            <source>%1 at most</source>
            <translation>%1 이하</translation>
        </message>
        <message>
            <source>All settings</source>
            <translation>모든 설정</translation>
        </message>
        <message>
            <source>Usual</source>
            <translation>보통</translation>
        </message>
        <message>
            <source>Cost</source>
            <translation>비용</translation>
        </message>
        <message>
            <source>Default</source>
            <translation>기본값</translation>
        </message>
        <message>
            <source>Possible</source>
            <translation>가능한 값</translation>
        </message>
        <message>
            <source>Unit</source>
            <translation>단위</translation>
        </message>
        <message>
            <source>Objectives</source>
            <translation>목표</translation>
        </message>
        <message>
            <source>Optimizers</source>
            <translation>옵티마이저</translation>
        </message>
        <message>
            <source>In a recipe</source>
            <translation>레시피에서</translation>
        </message>
        <message>
            <source>No setting has these words.</source>
            <translation>이 낱말이 들어간 설정이 없습니다.</translation>
        </message>
        <message>
            <source>Lab</source>
            <translation>실험실</translation>
        </message>
        <message>
            <source>Ways of pretraining and of joining pictures and words, as cards on a map. A card shows what its batch looks like: which token sees which (choose one with the mouse or the arrow keys), what is noised, what is learned from. It trains for real in a minute or two, on scenes that are made for it, and then shows what it makes of rows that it has never seen.

A second card can stand beside it: both see the same scenes, as many rows each. The model that you had loaded comes back afterwards.</source>
            <translation>사전 학습의 방법과 그림과 글을 잇는 방법이 지도 위의 카드로 놓여 있습니다. 카드는 배치가 어떻게 생겼는지 보여 줍니다. 어느 토큰이 어느 토큰을 보는지(마우스나 화살표 키로 하나를 고르세요), 무엇이 가려지고 바뀌는지, 무엇에서 배우는지를 볼 수 있습니다. 카드는 그 자리에서 만든 장면들로 1~2분 만에 실제로 학습하고, 한 번도 본 적 없는 행을 어떻게 보는지 보여 줍니다.

카드 하나를 그 옆에 둘 수 있습니다. 두 카드는 같은 장면을 같은 행 수만큼 봅니다. 불러 두었던 모델은 끝난 뒤에 되돌아옵니다.</translation>
        </message>
    </context>
    <context>
        <name>luthier::HelpWindow</name>
        <message>
            <source>Luthier: help</source>
            <translation>Luthier: 도움말</translation>
        </message>
        <message>
            <source>Find a setting</source>
            <translation>설정 찾기</translation>
        </message>
        <message>
            <source>Help</source>
            <translation>도움말</translation>
        </message>
    </context>
    <context>
        <name>luthier::KeptDesk</name>
        <message>
            <source>Luthier did not end as it should have last time. The settings that stood there are in %1.</source>
            <translation>지난번에 Luthier가 제대로 끝나지 않았습니다. 그때의 설정은 %1에 있습니다.</translation>
        </message>
        <message>
            <source>Open them</source>
            <translation>설정 열기</translation>
        </message>
        <message>
            <source>Luthier did not end as it should have last time. The settings are as they stood.</source>
            <translation>지난번에 Luthier가 제대로 끝나지 않았습니다. 설정은 그때 그대로입니다.</translation>
        </message>
        <message>
            <source>What it was at is written down in %1; the file stays on this machine.</source>
            <translation>무엇을 하던 중이었는지는 %1에 적혀 있습니다. 이 파일은 이 컴퓨터에만 남습니다.</translation>
        </message>
        <message>
            <source>Load %1</source>
            <translation>%1 불러오기</translation>
        </message>
        <message>
            <source>Open the folder</source>
            <translation>폴더 열기</translation>
        </message>
        <message numerus="yes">
            <source>%n runs waited in the queue when the window was closed. They wait still, and none is launched until you say Go on.</source>
            <translation>
                <numerusform>창을 닫을 때 대기열에 학습 %n개가 남아 있었습니다. 그대로 기다리고 있으며, “계속”을 누를 때까지 시작하지 않습니다.</numerusform>
            </translation>
        </message>
        <message>
            <source>Show the queue</source>
            <translation>대기열 보기</translation>
        </message>
    </context>
    <context>
        <name>RunNotice</name>
        <message>
            <source>“%1” failed</source>
            <translation>“%1” 실패</translation>
        </message>
        <message>
            <source>after %1</source>
            <translation>%1 동안</translation>
        </message>
        <message>
            <source>step %1, loss %2</source>
            <translation>스텝 %1, 손실 %2</translation>
        </message>
    </context>
    <context>
        <name>luthier::ShortcutDialog</name>
        <message>
            <source>Keyboard shortcuts</source>
            <translation>단축키</translation>
        </message>
        <message>
            <source>Keys</source>
            <translation>키</translation>
        </message>
        <message>
            <source>What they do</source>
            <translation>하는 일</translation>
        </message>
        <message>
            <source>&amp;Close</source>
            <translation>닫기(&amp;C)</translation>
        </message>
    </context>
    <context>
        <name>Shortcuts</name>
        <message>
            <source>The Start page</source>
            <translation>시작 페이지</translation>
        </message>
        <message>
            <source>The Model page</source>
            <translation>모델 페이지</translation>
        </message>
        <message>
            <source>The Data page</source>
            <translation>데이터 페이지</translation>
        </message>
        <message>
            <source>The Train page</source>
            <translation>학습 페이지</translation>
        </message>
        <message>
            <source>The Compare page</source>
            <translation>비교 페이지</translation>
        </message>
        <message>
            <source>The Runs page</source>
            <translation>기록 페이지</translation>
        </message>
        <message>
            <source>The Methods page</source>
            <translation>방식 페이지</translation>
        </message>
        <message>
            <source>The Merge page</source>
            <translation>병합 페이지</translation>
        </message>
        <message>
            <source>The Ranks page</source>
            <translation>랭크 페이지</translation>
        </message>
        <message>
            <source>Open a model folder</source>
            <translation>모델 폴더 열기</translation>
        </message>
        <message>
            <source>Save the recipe</source>
            <translation>레시피 저장</translation>
        </message>
        <message>
            <source>Undo the last change to the settings</source>
            <translation>설정의 마지막 변경 되돌리기</translation>
        </message>
        <message>
            <source>Redo it</source>
            <translation>되돌린 것을 다시 하기</translation>
        </message>
        <message>
            <source>Launch</source>
            <translation>학습 시작</translation>
        </message>
        <message>
            <source>Pause the run, or go on with it</source>
            <translation>실행을 일시 정지하거나 이어 가기</translation>
        </message>
        <message>
            <source>Save a checkpoint now</source>
            <translation>지금 체크포인트 저장</translation>
        </message>
        <message>
            <source>Help on the setting or the page where you are</source>
            <translation>지금 있는 설정이나 페이지의 도움말</translation>
        </message>
        <message>
            <source>This list</source>
            <translation>이 목록</translation>
        </message>
        <message>
            <source>Larger words</source>
            <translation>글자 크게</translation>
        </message>
        <message>
            <source>Smaller words</source>
            <translation>글자 작게</translation>
        </message>
        <message>
            <source>Words of the usual size</source>
            <translation>글자 보통 크기</translation>
        </message>
        <message>
            <source>Projector: large words and thick lines</source>
            <translation>프로젝터: 큰 글자와 굵은 선</translation>
        </message>
        <message>
            <source>Copy the selected text or the rows of a table</source>
            <translation>선택한 글이나 표의 행 복사</translation>
        </message>
        <message>
            <source>Take a model out of the list</source>
            <translation>목록에서 모델 빼기</translation>
        </message>
        <message>
            <source>The Lab page</source>
            <translation>실험실 페이지</translation>
        </message>
    </context>
    <context>
        <name>luthier::StartPage</name>
        <message>
            <source>Load a recipe</source>
            <translation>레시피 불러오기</translation>
        </message>
        <message>
            <source>Recipes (*.yaml *.yml)</source>
            <translation>레시피 (*.yaml *.yml)</translation>
        </message>
        <message>
            <source>What you load stands here the next time.</source>
            <translation>불러온 모델이 다음부터 여기에 나옵니다.</translation>
        </message>
        <message>
            <source>Recipes that you open or save stand here.</source>
            <translation>열거나 저장한 레시피가 여기에 나옵니다.</translation>
        </message>
        <message>
            <source>%1 · step %2 of %3</source>
            <translation>%1 · 스텝 %2/%3</translation>
        </message>
        <message>
            <source>Resume</source>
            <translation>이어서 학습</translation>
        </message>
        <message>
            <source>Resume %1</source>
            <translation>%1 이어서 학습</translation>
        </message>
        <message>
            <source>Runs stand here once you have trained one.</source>
            <translation>학습하고 나면 기록이 여기에 나옵니다.</translation>
        </message>
        <message>
            <source>Begin here</source>
            <translation>여기서 시작하세요</translation>
        </message>
        <message>
            <source>Looking at what this machine trains on…</source>
            <translation>이 컴퓨터가 무엇으로 학습하는지 보는 중…</translation>
        </message>
        <message>
            <source>This machine trains on %1 (%2).</source>
            <translation>이 컴퓨터는 %1(%2)로 학습합니다.</translation>
        </message>
        <message numerus="yes">
            <source>There is no GPU here that Luthier can use: this machine trains on its processor (%n cores, %1 of memory). The tour and the tasks below are made for that. Larger models are slow there; before anything starts, the Train page says whether one fits.</source>
            <translation>
                <numerusform>Luthier가 쓸 수 있는 GPU가 없어 이 컴퓨터는 프로세서로 학습합니다(코어 %n개, 메모리 %1). 둘러보기와 아래 과제는 그래도 되도록 만들었습니다. 큰 모델은 느립니다. 들어가는지는 시작하기 전에 학습 페이지가 알려 줍니다.</numerusform>
            </translation>
        </message>
        <message>
            <source>Guided tour</source>
            <translation>둘러보기</translation>
        </message>
        <message>
            <source>A small model learns something new in front of you, and each curve is explained as it moves. It takes two or three minutes and downloads nothing.</source>
            <translation>작은 모델이 눈앞에서 새로운 것을 배우고, 움직이는 곡선을 하나씩 설명합니다. 2~3분 걸리며 아무것도 내려받지 않습니다.</translation>
        </message>
        <message>
            <source>Start the &amp;tour</source>
            <translation>둘러보기 시작(&amp;T)</translation>
        </message>
        <message>
            <source>Train it</source>
            <translation>바로 학습</translation>
        </message>
        <message>
            <source>Train it: %1</source>
            <translation>바로 학습: %1</translation>
        </message>
        <message>
            <source>Loads the teaching model and begins at once</source>
            <translation>교육용 모델을 불러와 곧바로 시작합니다</translation>
        </message>
        <message>
            <source>Only set it up</source>
            <translation>설정만 채우기</translation>
        </message>
        <message>
            <source>Only set it up: %1</source>
            <translation>설정만 채우기: %1</translation>
        </message>
        <message>
            <source>Fills in the settings, which you may change before the launch</source>
            <translation>설정을 채웁니다. 시작하기 전에 바꿀 수 있습니다</translation>
        </message>
        <message>
            <source>Models</source>
            <translation>모델</translation>
        </message>
        <message>
            <source>Recipes</source>
            <translation>레시피</translation>
        </message>
        <message>
            <source>Runs</source>
            <translation>기록</translation>
        </message>
        <message>
            <source>Open a &amp;model folder…</source>
            <translation>모델 폴더 열기(&amp;M)…</translation>
        </message>
        <message>
            <source>&amp;Open a recipe…</source>
            <translation>레시피 열기(&amp;O)…</translation>
        </message>
        <message>
            <source>Attach</source>
            <translation>붙기</translation>
        </message>
        <message>
            <source>Attach to %1</source>
            <translation>%1에 붙기</translation>
        </message>
        <message>
            <source>Takes the run in hand: its curves from the beginning, and its controls</source>
            <translation>실행을 이 창에서 이어받습니다. 곡선은 처음부터, 조작도 여기서 합니다</translation>
        </message>
        <message>
            <source>still running</source>
            <translation>아직 학습 중</translation>
        </message>
        <message>
            <source>on %1, to be found</source>
            <translation>%1에서, 찾을 수 있음</translation>
        </message>
    </context>
    <context>
        <name>luthier::Tour</name>
        <message>
            <source>A model learns in front of you</source>
            <translation>눈앞에서 배우는 모델</translation>
        </message>
        <message>
            <source>The teaching model looks at pictures of shapes and answers questions about them in English. In a minute it will answer in Korean: a small adapter learns that, and the model itself stays as it is.</source>
            <translation>교육용 모델은 도형 그림을 보고 영어로 질문에 답합니다. 1분쯤 뒤에는 한국어로 답합니다. 작은 어댑터가 그것을 배우고, 모델 자체는 그대로 남습니다.</translation>
        </message>
        <message>
            <source>Begin</source>
            <translation>시작</translation>
        </message>
        <message>
            <source>The settings</source>
            <translation>설정</translation>
        </message>
        <message>
            <source>Data, method and training stand here, filled in for this task. Rank says how much the adapter can hold, the learning rate how large its steps are. F1 explains each one. Leave them as they are for now.</source>
            <translation>데이터, 방식, 학습 설정이 이 과제에 맞게 채워져 있습니다. 랭크는 어댑터가 얼마나 담을 수 있는지, 학습률은 한 걸음이 얼마나 큰지를 정합니다. F1을 누르면 하나씩 설명합니다. 지금은 그대로 두세요.</translation>
        </message>
        <message>
            <source>What it will take</source>
            <translation>필요한 메모리</translation>
        </message>
        <message>
            <source>Launch</source>
            <translation>학습 시작</translation>
        </message>
        <message>
            <source>This button starts the run, and so does F5. A run can be paused, asked something, stopped and resumed; nothing of it is lost.</source>
            <translation>이 단추나 F5로 실행을 시작합니다. 실행은 일시 정지하고, 질문하고, 멈추고, 이어 갈 수 있으며 잃는 것은 없습니다.</translation>
        </message>
        <message>
            <source>Loss</source>
            <translation>손실</translation>
        </message>
        <message>
            <source>Memory</source>
            <translation>메모리</translation>
        </message>
        <message>
            <source>What the run takes, part by part, under the dashed line of the forecast. A run that creeps upwards here would be ill; this one stays where it is.</source>
            <translation>실행이 쓰는 메모리를 부분별로 보여 줍니다. 점선은 예측입니다. 여기서 조금씩 올라가면 문제가 있는 실행인데, 이것은 그대로 있습니다.</translation>
        </message>
        <message>
            <source>Learning rate</source>
            <translation>학습률</translation>
        </message>
        <message>
            <source>Gradient norm</source>
            <translation>기울기 크기</translation>
        </message>
        <message>
            <source>Tokens a second</source>
            <translation>초당 토큰</translation>
        </message>
        <message>
            <source>To the end</source>
            <translation>끝까지</translation>
        </message>
        <message>
            <source>Compare</source>
            <translation>비교</translation>
        </message>
        <message>
            <source>Base and adapter side by side</source>
            <translation>베이스와 어댑터 나란히 보기</translation>
        </message>
        <message>
            <source>The same pictures and questions go to the model as it was and to the model with its new adapter. Open samples, then press “Run all”: the first column answers in English, the second in Korean. That is all there is to it; everything else in this program helps to do the same with your own data.</source>
            <translation>같은 그림과 질문을 처음 모델과 새 어댑터를 붙인 모델에 함께 줍니다. 샘플을 열고 “모두 실행”을 누르세요. 첫 열은 영어로, 둘째 열은 한국어로 답합니다. 이것이 전부입니다. 나머지 기능은 모두 여러분의 데이터로 같은 일을 하도록 돕습니다.</translation>
        </message>
        <message>
            <source>Done</source>
            <translation>마침</translation>
        </message>
        <message>
            <source>Next</source>
            <translation>다음</translation>
        </message>
        <message>
            <source>Before anything starts it is known what the run will take, part by part: the model&apos;s weights, the adapter, its gradients, the optimizer and what is computed on the way.</source>
            <translation>시작하기 전에 실행이 쓸 메모리를 부분별로 알 수 있습니다. 모델의 가중치, 어댑터, 기울기, 옵티마이저, 도중에 계산하는 것입니다.</translation>
        </message>
        <message>
            <source>This one takes %1.</source>
            <translation>이 실행은 %1를 씁니다.</translation>
        </message>
        <message>
            <source>How surprised the model is by the right answers: the lower, the better it knows them. The faint line is each step, the strong one their mean.</source>
            <translation>모델이 정답에 얼마나 놀라는지입니다. 낮을수록 잘 아는 것입니다. 흐린 선은 스텝 하나하나, 진한 선은 그 평균입니다.</translation>
        </message>
        <message>
            <source>It begins in a moment.</source>
            <translation>곧 시작합니다.</translation>
        </message>
        <message>
            <source>It began at %1 and is %2 at step %3.</source>
            <translation>%1에서 시작해 스텝 %3에 %2입니다.</translation>
        </message>
        <message>
            <source>How large a step may be. It rises at first, so that nothing breaks while the adapter is still empty, and then falls along a cosine, so that the end is careful.</source>
            <translation>한 걸음이 얼마나 클 수 있는지입니다. 어댑터가 아직 비어 있을 때 망가지지 않도록 처음에는 올라가고, 그다음 코사인을 따라 내려가 끝에서는 조심스러워집니다.</translation>
        </message>
        <message>
            <source>It is %1 now.</source>
            <translation>지금은 %1입니다.</translation>
        </message>
        <message>
            <source>How strongly the answers of one step pull at the adapter. It shrinks as less is left to learn; a leap here is a row that surprises, and what is longer than “Max grad norm” is cut back.</source>
            <translation>한 스텝의 답이 어댑터를 얼마나 세게 당기는지입니다. 배울 것이 줄면 작아집니다. 튀면 뜻밖의 행이 있었다는 뜻이며, “기울기 상한”보다 길면 잘립니다.</translation>
        </message>
        <message>
            <source>How fast it goes: words and parts of pictures that are learned from in a second. It falls when another program wants the machine.</source>
            <translation>얼마나 빠른지입니다. 1초에 배우는 단어와 그림 조각의 수입니다. 다른 프로그램이 컴퓨터를 쓰면 떨어집니다.</translation>
        </message>
        <message>
            <source>%1 are left.</source>
            <translation>%1 남았습니다.</translation>
        </message>
        <message>
            <source>The run is %1. The tour can be started again at any time.</source>
            <translation>실행 상태: %1. 둘러보기는 언제든 다시 시작할 수 있습니다.</translation>
        </message>
        <message>
            <source>It is done. The adapter lies in %1, as PEFT writes it, and every other tool can read it. Now to see what it changed.</source>
            <translation>끝났습니다. 어댑터는 PEFT 형식으로 %1에 있고 다른 도구도 모두 읽을 수 있습니다. 이제 무엇이 바뀌었는지 봅시다.</translation>
        </message>
        <message>
            <source>The line above says how far the run is. Press Pause if you like: the model stays loaded and answers questions below the curves, and goes on afterwards as if nothing had been. The tour waits for the end.</source>
            <translation>위쪽 줄에 실행이 얼마나 진행되었는지 나옵니다. 원하면 일시 정지를 누르세요. 모델은 남아 있어 곡선 아래에서 질문에 답하고, 이어 가면 아무 일도 없었던 것처럼 계속합니다. 둘러보기는 끝을 기다립니다.</translation>
        </message>
    </context>
    <context>
        <name>luthier::TourBubble</name>
        <message>
            <source>End the tour</source>
            <translation>둘러보기 끝내기</translation>
        </message>
        <message>
            <source>Back</source>
            <translation>뒤로</translation>
        </message>
    </context>
    <context>
        <name>luthier::AnswerInspector</name>
        <message>
            <source>probability</source>
            <translation>확률</translation>
        </message>
        <message>
            <source>divergence from the reference</source>
            <translation>기준과의 차이</translation>
        </message>
        <message>
            <source>What is shown of each token</source>
            <translation>토큰마다 보여 줄 값</translation>
        </message>
        <message>
            <source>Probability: how likely a column holds the token, deep where it does not. Divergence: how far all its probabilities are from the reference's there (KL, in nats).</source>
            <translation>확률: 이 열이 토큰을 얼마나 그럴듯하게 보는지이며, 낮을수록 진합니다. 차이: 그 자리의 확률 전체가 기준 열과 얼마나 다른지입니다(KL, 단위 nat).</translation>
        </message>
        <message>
            <source>Close</source>
            <translation>닫기</translation>
        </message>
        <message>
            <source>base</source>
            <translation>베이스</translation>
        </message>
        <message>
            <source>Sample %1: the expected answer under every column</source>
            <translation>샘플 %1: 정답을 모든 열로 채점</translation>
        </message>
        <message>
            <source>Sample %1: the answer of %2 under every column</source>
            <translation>샘플 %1: %2의 답을 모든 열로 채점</translation>
        </message>
        <message>
            <source>Looking…</source>
            <translation>살펴보는 중…</translation>
        </message>
        <message>
            <source>Reading the answer…</source>
            <translation>답을 읽는 중…</translation>
        </message>
        <message>
            <source>Choose a token: where each column looked when it came to it. Ringed: the first one that a column would have put otherwise.</source>
            <translation>토큰을 고르면 그 토큰을 쓸 때 각 열이 그림의 어디를 보았는지 나옵니다. 점선 테두리: 그 열이라면 처음으로 다르게 썼을 토큰입니다.</translation>
        </message>
        <message>
            <source>“%1”: probability %2, divergence %3. Likeliest: “%4”, %5.</source>
            <translation>“%1”: 확률 %2, 차이 %3. 가장 유력한 토큰: “%4”, %5.</translation>
        </message>
        <message>
            <source>log-probability %1 · perplexity %2</source>
            <translation>로그 확률 %1 · 퍼플렉서티 %2</translation>
        </message>
        <message>
            <source> · mean divergence %1</source>
            <translation> · 평균 차이 %1</translation>
        </message>
        <message>
            <source>token %1 would be “%2”</source>
            <translation>토큰 %1을(를) “%2”로 썼을 것입니다</translation>
        </message>
        <message>
            <source>would write the same</source>
            <translation>똑같이 썼을 것입니다</translation>
        </message>
        <message>
            <source>Tokens under %1</source>
            <translation>%1 열에서 본 토큰</translation>
        </message>
    </context>
    <context>
        <name>luthier::AnswerModel</name>
        <message>
            <source>question</source>
            <translation>질문</translation>
        </message>
        <message>
            <source>expected</source>
            <translation>정답</translation>
        </message>
        <message>
            <source>base</source>
            <translation>베이스</translation>
        </message>
    </context>
    <context>
        <name>luthier::AnswerTable</name>
        <message>
            <source>Which samples</source>
            <translation>샘플 고르기</translation>
        </message>
        <message>
            <source>The measure beside each answer</source>
            <translation>답 옆에 보일 점수</translation>
        </message>
        <message>
            <source>The measure beside each answer; a click on its head sorts by it</source>
            <translation>답 옆에 보일 점수. 제목을 누르면 그 점수로 정렬합니다</translation>
        </message>
        <message>
            <source>Search questions and answers</source>
            <translation>질문과 답 검색</translation>
        </message>
        <message>
            <source>All samples and answers</source>
            <translation>모든 샘플과 답</translation>
        </message>
        <message>
            <source>all samples</source>
            <translation>모든 샘플</translation>
        </message>
        <message>
            <source>columns differ</source>
            <translation>답이 서로 다름</translation>
        </message>
        <message>
            <source>any is wrong</source>
            <translation>틀린 열이 있음</translation>
        </message>
        <message>
            <source>not all answered</source>
            <translation>답이 덜 나옴</translation>
        </message>
        <message>
            <source>only %1 is wrong</source>
            <translation>%1만 틀림</translation>
        </message>
        <message>
            <source>base</source>
            <translation>베이스</translation>
        </message>
        <message>
            <source>%1 of %2 samples</source>
            <translation>샘플 %2개 중 %1개</translation>
        </message>
    </context>
    <context>
        <name>luthier::AttentionView</name>
        <message>
            <source>Whose attention</source>
            <translation>누구의 어텐션</translation>
        </message>
        <message>
            <source>Less whose attention</source>
            <translation>누구의 어텐션을 뺄지</translation>
        </message>
        <message>
            <source>What the column looks at more (yellow) and less (blue) than another one</source>
            <translation>다른 열보다 더 보는 곳(노랑)과 덜 보는 곳(파랑)</translation>
        </message>
        <message>
            <source>Layer</source>
            <translation>층</translation>
        </message>
        <message>
            <source>Attention head</source>
            <translation>어텐션 헤드</translation>
        </message>
        <message>
            <source>Which picture</source>
            <translation>그림 고르기</translation>
        </message>
        <message>
            <source>Attention over the picture</source>
            <translation>그림 위의 어텐션</translation>
        </message>
        <message>
            <source>alone</source>
            <translation>그대로</translation>
        </message>
        <message>
            <source>all layers</source>
            <translation>모든 층</translation>
        </message>
        <message>
            <source>all heads</source>
            <translation>모든 헤드</translation>
        </message>
        <message>
            <source>minus %1</source>
            <translation>%1 빼기</translation>
        </message>
        <message>
            <source>layer %1</source>
            <translation>층 %1</translation>
        </message>
        <message>
            <source>head %1</source>
            <translation>헤드 %1</translation>
        </message>
        <message>
            <source>picture %1 of %2</source>
            <translation>그림 %1/%2</translation>
        </message>
        <message>
            <source>The sample has no picture.</source>
            <translation>이 샘플에는 그림이 없습니다.</translation>
        </message>
        <message>
            <source>“%1”: %2 of the attention on the picture, %3 of the other's. Yellow: more, blue: less.</source>
            <translation>“%1”: 어텐션의 %2이(가) 그림에 있고, 다른 열은 %3입니다. 노랑: 더 봄, 파랑: 덜 봄.</translation>
        </message>
        <message>
            <source>“%1”: %2 of the attention on the picture.</source>
            <translation>“%1”: 어텐션의 %2이(가) 그림에 있습니다.</translation>
        </message>
        <message>
            <source>It shows what was mixed in, not why an answer came out.</source>
            <translation>무엇이 섞여 들어갔는지 보여 줄 뿐, 왜 그렇게 답했는지는 말해 주지 않습니다.</translation>
        </message>
    </context>
    <context>
        <name>luthier::BlindView</name>
        <message>
            <source>1 to 9: this answer is the best · 0: none is better · ← →: another sample · Enter: show whose they are</source>
            <translation>1~9: 이 답이 가장 좋음 · 0: 더 나은 답 없음 · ← →: 다른 샘플 · Enter: 누구의 답인지 보기</translation>
        </message>
        <message>
            <source>None is &amp;better</source>
            <translation>더 나은 답 없음(&amp;B)</translation>
        </message>
        <message>
            <source>&amp;Back</source>
            <translation>이전(&amp;B)</translation>
        </message>
        <message>
            <source>&amp;Skip</source>
            <translation>건너뛰기(&amp;S)</translation>
        </message>
        <message>
            <source>Judge &amp;anew</source>
            <translation>다시 평가(&amp;A)</translation>
        </message>
        <message>
            <source>Show &amp;whose they are</source>
            <translation>누구의 답인지 보기(&amp;W)</translation>
        </message>
        <message>
            <source>&amp;Close</source>
            <translation>닫기(&amp;C)</translation>
        </message>
        <message>
            <source>Win rates</source>
            <translation>승률</translation>
        </message>
        <message>
            <source>column</source>
            <translation>열</translation>
        </message>
        <message>
            <source>win rate</source>
            <translation>승률</translation>
        </message>
        <message>
            <source>95 % interval (Wilson)</source>
            <translation>95 % 구간(윌슨)</translation>
        </message>
        <message>
            <source>wins of votes</source>
            <translation>표 중 승리</translation>
        </message>
        <message>
            <source>There is nothing to judge yet: two columns or more must have answered.</source>
            <translation>아직 평가할 것이 없습니다. 열이 둘 이상 답해야 합니다.</translation>
        </message>
        <message>
            <source>Sample %1 of %2 · %3 judged</source>
            <translation>샘플 %1/%2 · 평가 %3개</translation>
        </message>
        <message>
            <source>Answer %1</source>
            <translation>답 %1</translation>
        </message>
        <message>
            <source>✓ %1 is best (%2)</source>
            <translation>✓ %1 선택 (%2)</translation>
        </message>
        <message>
            <source>%1 is best (%2)</source>
            <translation>%1 선택 (%2)</translation>
        </message>
        <message>
            <source>Nothing was judged yet.</source>
            <translation>아직 평가한 것이 없습니다.</translation>
        </message>
        <message numerus="yes">
            <source>%n samples judged. A tie counts as an equal share for each.</source>
            <translation>
                <numerusform>샘플 %n개를 평가했습니다. 무승부는 모두 똑같이 나누어 셉니다.</numerusform>
            </translation>
        </message>
        <message>
            <source>base</source>
            <translation>베이스</translation>
        </message>
        <message>
            <source>%1 to %2</source>
            <translation>%1~%2</translation>
        </message>
        <message>
            <source>%1 of %2</source>
            <translation>%2표 중 %1</translation>
        </message>
    </context>
    <context>
        <name>luthier::KeptMenu</name>
        <message>
            <source>Keep with the run</source>
            <translation>실행과 함께 보관</translation>
        </message>
        <message>
            <source>Open a kept comparison…</source>
            <translation>보관한 비교 열기…</translation>
        </message>
        <message>
            <source>Open a kept comparison</source>
            <translation>보관한 비교 열기</translation>
        </message>
    </context>
    <context>
        <name>luthier::OwnSample</name>
        <message>
            <source>&amp;Picture…</source>
            <translation>그림(&amp;P)…</translation>
        </message>
        <message>
            <source>Pas&amp;te</source>
            <translation>붙여넣기(&amp;T)</translation>
        </message>
        <message>
            <source>The picture in the clipboard (Ctrl+V)</source>
            <translation>클립보드의 그림(Ctrl+V)</translation>
        </message>
        <message>
            <source>No picture</source>
            <translation>그림 없음</translation>
        </message>
        <message>
            <source>Your question (drop a picture anywhere on the page)</source>
            <translation>질문(그림은 이 화면 아무 데나 놓으세요)</translation>
        </message>
        <message>
            <source>Your question</source>
            <translation>질문</translation>
        </message>
        <message>
            <source>Expected answer, if any</source>
            <translation>정답(있으면)</translation>
        </message>
        <message>
            <source>The expected answer to your question</source>
            <translation>질문의 정답</translation>
        </message>
        <message>
            <source>As&amp;k</source>
            <translation>묻기(&amp;K)</translation>
        </message>
        <message>
            <source>Adds it to the samples and asks every column</source>
            <translation>샘플에 넣고 모든 열에 묻습니다</translation>
        </message>
        <message>
            <source>Choose a picture</source>
            <translation>그림 고르기</translation>
        </message>
        <message>
            <source>Pictures (*.png *.jpg *.jpeg *.webp *.bmp *.gif *.tif *.tiff)</source>
            <translation>그림 (*.png *.jpg *.jpeg *.webp *.bmp *.gif *.tif *.tiff)</translation>
        </message>
        <message>
            <source>your own</source>
            <translation>직접 물음</translation>
        </message>
    </context>
    <context>
        <name>luthier::ColumnsDialog</name>
        <message>
            <source>Columns of the data</source>
            <translation>데이터의 열</translation>
        </message>
        <message>
            <source>What each column is. Others stay beside the row, for rewards and courses that name them.</source>
            <translation>각 열이 무엇인지 고릅니다. 나머지 열은 행 옆에 남아, 그 이름을 쓰는 보상과 학습 순서가 읽습니다.</translation>
        </message>
        <message>
            <source>Column</source>
            <translation>열</translation>
        </message>
        <message>
            <source>Holds</source>
            <translation>내용</translation>
        </message>
        <message>
            <source>For example</source>
            <translation>예</translation>
        </message>
        <message>
            <source>Is</source>
            <translation>역할</translation>
        </message>
        <message>
            <source>Columns</source>
            <translation>열</translation>
        </message>
        <message>
            <source>&amp;Question of all rows</source>
            <translation>모든 행의 질문(&amp;Q)</translation>
        </message>
        <message>
            <source>Describe the picture. – or {column} for a column&apos;s text</source>
            <translation>그림을 설명해 주세요. – 또는 {열 이름}</translation>
        </message>
        <message>
            <source>Question of all rows</source>
            <translation>모든 행의 질문</translation>
        </message>
        <message>
            <source>&amp;Answer of all rows</source>
            <translation>모든 행의 답(&amp;A)</translation>
        </message>
        <message>
            <source>{column} for a column&apos;s text; empty: the column that is the answer</source>
            <translation>{열 이름}을 쓸 수 있습니다. 비우면 답으로 고른 열</translation>
        </message>
        <message>
            <source>Answer of all rows</source>
            <translation>모든 행의 답</translation>
        </message>
        <message>
            <source>&amp;Guess</source>
            <translation>추측(&amp;G)</translation>
        </message>
        <message>
            <source>As the rows &amp;are</source>
            <translation>행 그대로(&amp;R)</translation>
        </message>
        <message>
            <source>&amp;Use these columns</source>
            <translation>이 열로 쓰기(&amp;U)</translation>
        </message>
        <message>
            <source>&amp;Close</source>
            <translation>닫기(&amp;C)</translation>
        </message>
        <message>
            <source>What %1 is</source>
            <translation>%1의 역할</translation>
        </message>
        <message>
            <source>The first row cannot be read so: %1</source>
            <translation>이대로는 첫 행을 읽을 수 없습니다: %1</translation>
        </message>
        <message>
            <source>The first row is read as:</source>
            <translation>첫 행은 이렇게 읽힙니다:</translation>
        </message>
    </context>
    <context>
        <name>luthier::CopyDialog</name>
        <message>
            <source>Write a copy of the rows</source>
            <translation>행의 사본 쓰기</translation>
        </message>
        <message>
            <source>The original stays as it is. Pictures stay where they are; the copy leads to them.</source>
            <translation>원본은 그대로 둡니다. 그림도 제자리에 있고, 사본이 그 위치를 가리킵니다.</translation>
        </message>
        <message>
            <source>&amp;File</source>
            <translation>파일(&amp;F)</translation>
        </message>
        <message>
            <source>Unusable rows</source>
            <translation>쓸 수 없는 행</translation>
        </message>
        <message>
            <source>Leave them out</source>
            <translation>빼기</translation>
        </message>
        <message>
            <source>Rows</source>
            <translation>행</translation>
        </message>
        <message>
            <source>Only those that are shown</source>
            <translation>지금 보이는 것만</translation>
        </message>
        <message>
            <source>At &amp;most</source>
            <translation>최대(&amp;M)</translation>
        </message>
        <message>
            <source>So many rows are drawn by the seed; 0: all</source>
            <translation>이만큼을 시드로 뽑습니다. 0: 모두</translation>
        </message>
        <message>
            <source>all rows</source>
            <translation>모든 행</translation>
        </message>
        <message>
            <source>Validation &amp;share</source>
            <translation>검증 비율(&amp;S)</translation>
        </message>
        <message>
            <source>5 to 20 % is usual; 0: the rows are not parted</source>
            <translation>보통 5~20 %. 0: 나누지 않음</translation>
        </message>
        <message>
            <source>The same share of &amp;each</source>
            <translation>값마다 같은 비율(&amp;E)</translation>
        </message>
        <message>
            <source>A column: of each of its values that share goes to validation</source>
            <translation>열을 고르면 그 값마다 같은 비율이 검증으로 갑니다</translation>
        </message>
        <message>
            <source>File for &amp;validation</source>
            <translation>검증 파일(&amp;V)</translation>
        </message>
        <message>
            <source>Seed</source>
            <translation>시드</translation>
        </message>
        <message>
            <source>Another seed draws other rows</source>
            <translation>시드가 다르면 다른 행이 뽑힙니다</translation>
        </message>
        <message>
            <source>F&amp;orm</source>
            <translation>형식(&amp;O)</translation>
        </message>
        <message>
            <source>As they are written</source>
            <translation>쓰인 그대로</translation>
        </message>
        <message>
            <source>messages (role, content)</source>
            <translation>messages(role, content)</translation>
        </message>
        <message>
            <source>conversations (from, value)</source>
            <translation>conversations(from, value)</translation>
        </message>
        <message>
            <source>Afterwards</source>
            <translation>쓴 다음</translation>
        </message>
        <message>
            <source>Go on with the copy</source>
            <translation>사본으로 계속하기</translation>
        </message>
        <message>
            <source>&amp;Write</source>
            <translation>쓰기(&amp;W)</translation>
        </message>
        <message>
            <source>&amp;Close</source>
            <translation>닫기(&amp;C)</translation>
        </message>
        <message>
            <source>– (whichever)</source>
            <translation>– (상관없음)</translation>
        </message>
        <message>
            <source>%1 rows dropped by hand, %2 put right, %3 unusable.</source>
            <translation>직접 뺀 행 %1개, 고친 행 %2개, 쓸 수 없는 행 %3개.</translation>
        </message>
        <message>
            <source>Writing rows</source>
            <translation>행을 쓰는 중</translation>
        </message>
        <message>
            <source>Variants of pic&amp;tures</source>
            <translation>그림 변형(&amp;T)</translation>
        </message>
        <message>
            <source>So often each row with pictures comes once more, its pictures lighter or darker, of other contrast, cut at the edges; 0: not at all. Rows for validation have none.</source>
            <translation>그림이 있는 행마다 밝기, 대비, 가장자리를 조금 바꾼 행을 이만큼 더합니다. 0: 더하지 않음. 검증 행에는 더하지 않습니다.</translation>
        </message>
        <message>
            <source>none</source>
            <translation>없음</translation>
        </message>
    </context>
    <context>
        <name>luthier::HistogramView</name>
        <message>
            <source>%1: mean %2, median %3, from %4 to %5</source>
            <translation>%1: 평균 %2, 중앙값 %3, %4에서 %5까지</translation>
        </message>
        <message>
            <source>%1 to %2: %3</source>
            <translation>%1~%2: %3</translation>
        </message>
        <message>
            <source>none</source>
            <translation>없음</translation>
        </message>
        <message>
            <source>median %1 · 95 % below %2</source>
            <translation>중앙값 %1 · 95 %는 %2 이하</translation>
        </message>
    </context>
    <context>
        <name>luthier::RowTools</name>
        <message>
            <source>Search the rows, or a column: label=cat, score&gt;0.5</source>
            <translation>행 검색, 또는 열: label=cat, score&gt;0.5</translation>
        </message>
        <message>
            <source>Search the rows</source>
            <translation>행 검색</translation>
        </message>
        <message>
            <source>O&amp;nly findings</source>
            <translation>문제만(&amp;N)</translation>
        </message>
        <message>
            <source>In their order</source>
            <translation>원래 순서</translation>
        </message>
        <message>
            <source>Longest first</source>
            <translation>긴 것부터</translation>
        </message>
        <message>
            <source>Shortest first</source>
            <translation>짧은 것부터</translation>
        </message>
        <message>
            <source>Findings first</source>
            <translation>문제부터</translation>
        </message>
        <message>
            <source>Order of the rows</source>
            <translation>행 순서</translation>
        </message>
        <message>
            <source>&amp;Tools</source>
            <translation>도구(&amp;T)</translation>
        </message>
        <message>
            <source>What is done with all rows</source>
            <translation>모든 행에 하는 일</translation>
        </message>
        <message>
            <source>&amp;Columns…</source>
            <translation>열(&amp;C)…</translation>
        </message>
        <message>
            <source>&amp;Statistics</source>
            <translation>통계(&amp;S)</translation>
        </message>
        <message>
            <source>&amp;Near-duplicates</source>
            <translation>거의 같은 행(&amp;N)</translation>
        </message>
        <message>
            <source>S&amp;plit for validation…</source>
            <translation>검증용 나누기(&amp;P)…</translation>
        </message>
        <message>
            <source>Write a cleaned cop&amp;y…</source>
            <translation>정리한 사본 쓰기(&amp;Y)…</translation>
        </message>
        <message>
            <source>Stop what is being done</source>
            <translation>하던 일 멈추기</translation>
        </message>
        <message>
            <source>Looking at columns</source>
            <translation>열을 보는 중</translation>
        </message>
        <message>
            <source>Describe the picture.</source>
            <translation>그림을 설명해 주세요.</translation>
        </message>
        <message>
            <source>Counting</source>
            <translation>세는 중</translation>
        </message>
        <message>
            <source>Comparing rows</source>
            <translation>행을 견주는 중</translation>
        </message>
        <message>
            <source>No row is nearly another one.</source>
            <translation>거의 같은 행이 없습니다.</translation>
        </message>
        <message>
            <source>Searching</source>
            <translation>찾는 중</translation>
        </message>
        <message>
            <source>Measuring rows</source>
            <translation>행 길이를 재는 중</translation>
        </message>
        <message>
            <source>Putting rows right</source>
            <translation>행을 고치는 중</translation>
        </message>
        <message numerus="yes">
            <source>%n rows are nearly an earlier one.</source>
            <translation>
                <numerusform>앞의 행과 거의 같은 행이 %n개 있습니다.</numerusform>
            </translation>
        </message>
        <message numerus="yes">
            <source>%n rows could not be put right by themselves.</source>
            <translation>
                <numerusform>저절로 고칠 수 없는 행이 %n개 있습니다.</numerusform>
            </translation>
        </message>
    </context>
    <context>
        <name>luthier::StatisticsDialog</name>
        <message>
            <source>Statistics of the rows</source>
            <translation>행의 통계</translation>
        </message>
        <message>
            <source>&amp;Close</source>
            <translation>닫기(&amp;C)</translation>
        </message>
        <message>
            <source>The most frequent answers</source>
            <translation>가장 잦은 답</translation>
        </message>
        <message>
            <source>Rows</source>
            <translation>행</translation>
        </message>
        <message>
            <source>Answer</source>
            <translation>답</translation>
        </message>
        <message>
            <source>%1 rows, %2 of them unreadable. %3 rows have pictures, %4 in all. %5 different answers.</source>
            <translation>행 %1개, 그중 읽을 수 없는 행 %2개. 그림이 있는 행 %3개, 그림은 모두 %4장. 서로 다른 답 %5개.</translation>
        </message>
        <message>
            <source>Tokens of a row</source>
            <translation>행의 토큰 수</translation>
        </message>
        <message>
            <source>Learned tokens of a row</source>
            <translation>행에서 배우는 토큰 수</translation>
        </message>
        <message>
            <source>Words of an answer</source>
            <translation>답의 단어 수</translation>
        </message>
        <message>
            <source>Pictures of a row</source>
            <translation>행의 그림 수</translation>
        </message>
        <message>
            <source>Pictures&apos; width in pixels</source>
            <translation>그림의 너비(픽셀)</translation>
        </message>
        <message>
            <source>Pictures&apos; height in pixels</source>
            <translation>그림의 높이(픽셀)</translation>
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
            <translation>그림</translation>
        </message>
        <message>
            <source>Pictures (a list)</source>
            <translation>그림(목록)</translation>
        </message>
        <message>
            <source>Film</source>
            <translation>영상</translation>
        </message>
        <message>
            <source>Question</source>
            <translation>질문</translation>
        </message>
        <message>
            <source>Answer</source>
            <translation>답</translation>
        </message>
        <message>
            <source>Messages</source>
            <translation>메시지</translation>
        </message>
        <message>
            <source>Conversation (from, value)</source>
            <translation>대화(from, value)</translation>
        </message>
        <message>
            <source>System prompt</source>
            <translation>시스템 프롬프트</translation>
        </message>
        <message>
            <source>Chosen answer</source>
            <translation>선택된 답</translation>
        </message>
        <message>
            <source>Rejected answer</source>
            <translation>거절된 답</translation>
        </message>
        <message>
            <source>Good or bad</source>
            <translation>좋음/나쁨</translation>
        </message>
        <message>
            <source>Plain text</source>
            <translation>평문</translation>
        </message>
        <message>
            <source>Earlier turns</source>
            <translation>이전 대화</translation>
        </message>
        <message>
            <source>Boxes</source>
            <translation>상자</translation>
        </message>
        <message>
            <source>Tools</source>
            <translation>도구</translation>
        </message>
        <message>
            <source>picture</source>
            <translation>그림</translation>
        </message>
        <message>
            <source>text</source>
            <translation>글</translation>
        </message>
        <message>
            <source>number</source>
            <translation>숫자</translation>
        </message>
        <message>
            <source>list</source>
            <translation>목록</translation>
        </message>
        <message>
            <source>messages</source>
            <translation>메시지</translation>
        </message>
        <message>
            <source>object</source>
            <translation>객체</translation>
        </message>
        <message>
            <source>empty</source>
            <translation>비어 있음</translation>
        </message>
    </context>
    <context>
        <name>luthier::ExportDialog</name>
        <message>
            <source>Export</source>
            <translation>내보내기</translation>
        </message>
        <message>
            <source>&amp;GGUF, for llama.cpp and Ollama</source>
            <translation>GGUF, llama.cpp와 Ollama용(&amp;G)</translation>
        </message>
        <message>
            <source>The language model, its picture half (mmproj) and a Modelfile; an adapter is merged into its base first</source>
            <translation>언어 모델과 그림을 맡는 부분(mmproj), Modelfile입니다. 어댑터는 먼저 베이스에 병합합니다</translation>
        </message>
        <message>
            <source>A &amp;checkpoint by itself (safetensors)</source>
            <translation>독립된 체크포인트(safetensors)(&amp;C)</translation>
        </message>
        <message>
            <source>As transformers and others load it; an adapter is merged into its base</source>
            <translation>transformers 등에서 바로 불러올 수 있습니다. 어댑터는 베이스에 병합합니다</translation>
        </message>
        <message>
            <source>The &amp;adapter alone (PEFT folder)</source>
            <translation>어댑터만(PEFT 폴더)(&amp;A)</translation>
        </message>
        <message>
            <source>A few megabytes; whoever uses it needs the base, too</source>
            <translation>몇 메가바이트입니다. 쓰는 쪽에도 베이스가 있어야 합니다</translation>
        </message>
        <message>
            <source>&amp;Weights as</source>
            <translation>가중치 형식(&amp;W)</translation>
        </message>
        <message>
            <source>Weights as</source>
            <translation>가중치 형식</translation>
        </message>
        <message>
            <source>f16: half precision, nothing lost that can be seen</source>
            <translation>f16: 절반 정밀도, 눈에 띄는 손실 없음</translation>
        </message>
        <message>
            <source>q8_0: eight bits, half the size</source>
            <translation>q8_0: 8비트, 크기 절반</translation>
        </message>
        <message>
            <source>f32: twice the size, to the bit</source>
            <translation>f32: 크기 두 배, 비트까지 같음</translation>
        </message>
        <message>
            <source>&amp;System prompt</source>
            <translation>시스템 프롬프트(&amp;S)</translation>
        </message>
        <message>
            <source>System prompt</source>
            <translation>시스템 프롬프트</translation>
        </message>
        <message>
            <source>For Ollama; else the chat template's own</source>
            <translation>Ollama용. 비우면 대화 템플릿의 것을 씁니다</translation>
        </message>
        <message>
            <source>&amp;Base</source>
            <translation>베이스(&amp;B)</translation>
        </message>
        <message>
            <source>Base</source>
            <translation>베이스</translation>
        </message>
        <message>
            <source>The model that it was trained on</source>
            <translation>학습할 때 쓴 모델</translation>
        </message>
        <message>
            <source>Fo&amp;lder</source>
            <translation>폴더(&amp;L)</translation>
        </message>
        <message>
            <source>The folder to write</source>
            <translation>저장할 폴더</translation>
        </message>
        <message>
            <source>Choose the folder</source>
            <translation>폴더 고르기</translation>
        </message>
        <message>
            <source>Progress of the export</source>
            <translation>내보내기 진행률</translation>
        </message>
        <message>
            <source>Close</source>
            <translation>닫기</translation>
        </message>
        <message>
            <source>Export “%1”</source>
            <translation>“%1” 내보내기</translation>
        </message>
        <message>
            <source>A new or empty folder</source>
            <translation>새 폴더나 빈 폴더</translation>
        </message>
        <message>
            <source>The base's folder</source>
            <translation>베이스의 폴더</translation>
        </message>
        <message>
            <source>Written to %1: %2.</source>
            <translation>%1에 저장했습니다: %2.</translation>
        </message>
        <message>
            <source>Cancelled: nothing was written.</source>
            <translation>취소했습니다. 저장한 것은 없습니다.</translation>
        </message>
        <message>
            <source>Cancel the export</source>
            <translation>내보내기 취소</translation>
        </message>
        <message>
            <source>Not now: %1</source>
            <translation>지금은 할 수 없습니다: %1</translation>
        </message>
    </context>
    <context>
        <name>luthier::ChatWindow</name>
        <message>
            <source>Chat</source>
            <translation>대화</translation>
        </message>
        <message>
            <source>&amp;With</source>
            <translation>상대(&amp;W)</translation>
        </message>
        <message>
            <source>Who answers</source>
            <translation>답하는 쪽</translation>
        </message>
        <message>
            <source>Tokens</source>
            <translation>토큰 수</translation>
        </message>
        <message>
            <source>Tokens of an answer, at most</source>
            <translation>답 하나의 최대 토큰 수</translation>
        </message>
        <message>
            <source>Temperature</source>
            <translation>온도</translation>
        </message>
        <message>
            <source>0: always the likeliest token; about 0.7 is usual for talking</source>
            <translation>0이면 항상 가장 그럴듯한 토큰을 고릅니다. 대화에는 보통 0.7 정도를 씁니다</translation>
        </message>
        <message>
            <source>&amp;New chat</source>
            <translation>새 대화(&amp;N)</translation>
        </message>
        <message>
            <source>System prompt, if there is to be one</source>
            <translation>시스템 프롬프트(필요할 때만)</translation>
        </message>
        <message>
            <source>System prompt</source>
            <translation>시스템 프롬프트</translation>
        </message>
        <message>
            <source>The conversation</source>
            <translation>대화 내용</translation>
        </message>
        <message>
            <source>Say something below. Pictures can be dropped here.</source>
            <translation>아래에 말을 걸어 보세요. 그림은 여기에 끌어다 놓을 수 있습니다.</translation>
        </message>
        <message>
            <source>Your turn</source>
            <translation>내 차례</translation>
        </message>
        <message>
            <source>Answer the last turn again</source>
            <translation>마지막 차례에 다시 답하기</translation>
        </message>
        <message>
            <source>the base</source>
            <translation>베이스</translation>
        </message>
        <message>
            <source>in training</source>
            <translation>학습 중</translation>
        </message>
        <message>
            <source>Choose a picture</source>
            <translation>그림 고르기</translation>
        </message>
        <message>
            <source>Pictures (*.png *.jpg *.jpeg *.webp *.gif *.bmp *.tif *.tiff)</source>
            <translation>그림 (*.png *.jpg *.jpeg *.webp *.gif *.bmp *.tif *.tiff)</translation>
        </message>
        <message>
            <source>Add a picture</source>
            <translation>그림 넣기</translation>
        </message>
        <message>
            <source>Leave the picture out</source>
            <translation>그림 빼기</translation>
        </message>
        <message>
            <source>Stopped before the first word.</source>
            <translation>첫마디가 나오기 전에 멈췄습니다.</translation>
        </message>
        <message>
            <source>you</source>
            <translation>나</translation>
        </message>
        <message>
            <source>cut off at the most tokens</source>
            <translation>최대 토큰 수에서 끊겼습니다</translation>
        </message>
        <message>
            <source>stopped</source>
            <translation>멈췄습니다</translation>
        </message>
        <message>
            <source>Your turn…</source>
            <translation>할 말을 쓰세요…</translation>
        </message>
        <message>
            <source>A model must be loaded first</source>
            <translation>먼저 모델을 불러와야 합니다</translation>
        </message>
        <message>
            <source>&amp;Stop</source>
            <translation>멈추기(&amp;S)</translation>
        </message>
        <message>
            <source>&amp;Send</source>
            <translation>보내기(&amp;S)</translation>
        </message>
    </context>
    <context>
        <name>luthier::InspectWindow</name>
        <message>
            <source>A row as the model gets it</source>
            <translation>모델이 받는 그대로의 행</translation>
        </message>
        <message>
            <source>&amp;Row</source>
            <translation>행(&amp;R)</translation>
        </message>
        <message>
            <source>Row</source>
            <translation>행</translation>
        </message>
        <message>
            <source>&amp;Patches</source>
            <translation>패치(&amp;P)</translation>
        </message>
        <message>
            <source>The grid of patches that the vision tower cuts a picture into</source>
            <translation>비전 타워가 그림을 나누는 패치의 격자</translation>
        </message>
        <message>
            <source>P&amp;ositions</source>
            <translation>위치(&amp;O)</translation>
        </message>
        <message>
            <source>Under each token its place: one number, or time, row and column where the model turns by three axes</source>
            <translation>토큰마다 위치를 아래에 적습니다. 숫자 하나이거나, 세 축으로 도는 모델이면 시간, 행, 열입니다</translation>
        </message>
        <message>
            <source>Colour by &amp;loss</source>
            <translation>손실로 색칠(&amp;L)</translation>
        </message>
        <message>
            <source>&amp;Measure the losses</source>
            <translation>손실 재기(&amp;M)</translation>
        </message>
        <message>
            <source>The tokens</source>
            <translation>토큰</translation>
        </message>
        <message>
            <source>Reading the row…</source>
            <translation>행을 읽는 중…</translation>
        </message>
        <message>
            <source>Mean loss of %1 tokens: %2</source>
            <translation>토큰 %1개의 평균 손실: %2</translation>
        </message>
        <message>
            <source>; before: %1</source>
            <translation>, 이전: %1</translation>
        </message>
        <message>
            <source>(by the adapter in training, step %1)</source>
            <translation>(학습 중인 어댑터, %1단계)</translation>
        </message>
        <message numerus="yes">
            <source>%1: %n tokens</source>
            <translation>
                <numerusform>%1: 토큰 %n개</numerusform>
            </translation>
        </message>
        <message>
            <source>%1 × %2 in its file</source>
            <translation>파일에서 %1 × %2</translation>
        </message>
        <message numerus="yes">
            <source>%n frames</source>
            <translation>
                <numerusform>프레임 %n개</numerusform>
            </translation>
        </message>
        <message>
            <source>%1, frame %2</source>
            <translation>%1, 프레임 %2</translation>
        </message>
        <message>
            <source>%1 × %2 pixels</source>
            <translation>%1 × %2픽셀</translation>
        </message>
        <message>
            <source>, %1 × %2 patches of %3</source>
            <translation>, %3픽셀 패치 %1 × %2</translation>
        </message>
        <message>
            <source>The row has no picture.</source>
            <translation>이 행에는 그림이 없습니다.</translation>
        </message>
        <message numerus="yes">
            <source>picture %1: %n tokens</source>
            <translation>
                <numerusform>그림 %1: 토큰 %n개</numerusform>
            </translation>
        </message>
        <message numerus="yes">
            <source>%n tokens cut off by the context length</source>
            <translation>
                <numerusform>문맥 길이 때문에 잘린 토큰 %n개</numerusform>
            </translation>
        </message>
        <message>
            <source>loss 0</source>
            <translation>손실 0</translation>
        </message>
        <message>
            <source>loss %1</source>
            <translation>손실 %1</translation>
        </message>
        <message>
            <source>learned (underlined)</source>
            <translation>학습(밑줄)</translation>
        </message>
        <message>
            <source>masked</source>
            <translation>가림</translation>
        </message>
        <message>
            <source>picture</source>
            <translation>그림</translation>
        </message>
        <message>
            <source>cut off</source>
            <translation>잘림</translation>
        </message>
        <message>
            <source>token %1</source>
            <translation>토큰 %1</translation>
        </message>
        <message>
            <source>id %1</source>
            <translation>id %1</translation>
        </message>
        <message>
            <source>learned</source>
            <translation>학습</translation>
        </message>
        <message>
            <source>time, row, column: %1</source>
            <translation>시간, 행, 열: %1</translation>
        </message>
        <message>
            <source>position %1</source>
            <translation>위치 %1</translation>
        </message>
        <message>
            <source>loss %1, probability %2</source>
            <translation>손실 %1, 확률 %2</translation>
        </message>
        <message>
            <source>loss before: %1</source>
            <translation>이전 손실: %1</translation>
        </message>
        <message>
            <source>tokens %1 to %2 stand for picture %3, marked beside</source>
            <translation>토큰 %1~%2이(가) 옆에 표시한 그림 %3을(를) 나타냅니다</translation>
        </message>
        <message>
            <source>What each learned token costs by the loaded model, and by the adapter while it trains: measure again after a step to see what it changed</source>
            <translation>학습하는 토큰마다 불러온 모델(학습 중이면 그 어댑터)이 치르는 손실입니다. 한 단계 뒤에 다시 재면 무엇이 바뀌었는지 보입니다</translation>
        </message>
        <message>
            <source>A model must be loaded first</source>
            <translation>먼저 모델을 불러와야 합니다</translation>
        </message>
    </context>
    <context>
        <name>luthier::FrameView</name>
        <message>
            <source>pixel %1, %2: %3 %4 %5</source>
            <translation>픽셀 %1, %2: %3 %4 %5</translation>
        </message>
        <message>
            <source>patch %1 in row %2</source>
            <translation>%2번째 줄의 패치 %1</translation>
        </message>
    </context>
    <context>
        <name>luthier::MatrixView</name>
        <message>
            <source>%1: %2 by %3, norm %4</source>
            <translation>%1: %2 × %3, 노름 %4</translation>
        </message>
        <message>
            <source>%1 × %2 · norm %3</source>
            <translation>%1 × %2 · 노름 %3</translation>
        </message>
        <message>
            <source>row %1, column %2: %3</source>
            <translation>행 %1, 열 %2: %3</translation>
        </message>
    </context>
    <context>
        <name>luthier::StepWindow</name>
        <message>
            <source>One step, slowly</source>
            <translation>한 단계를 천천히</translation>
        </message>
        <message>
            <source>&amp;Row</source>
            <translation>행(&amp;R)</translation>
        </message>
        <message>
            <source>Row</source>
            <translation>행</translation>
        </message>
        <message>
            <source>Steps &amp;before</source>
            <translation>앞선 단계(&amp;B)</translation>
        </message>
        <message>
            <source>Steps before</source>
            <translation>앞선 단계</translation>
        </message>
        <message>
            <source>Taken on the row before the one that is shown: in the very first step B is zero, and so A gets no gradient</source>
            <translation>보여 줄 단계 전에 이 행으로 밟는 단계 수입니다. 맨 처음에는 B가 0이라 A에 기울기가 오지 않습니다</translation>
        </message>
        <message>
            <source>&amp;Module</source>
            <translation>모듈(&amp;M)</translation>
        </message>
        <message>
            <source>Module</source>
            <translation>모듈</translation>
        </message>
        <message>
            <source>&amp;Take the step</source>
            <translation>단계 밟기(&amp;T)</translation>
        </message>
        <message>
            <source>◀ Back</source>
            <translation>◀ 뒤로</translation>
        </message>
        <message>
            <source>On ▶</source>
            <translation>다음 ▶</translation>
        </message>
        <message>
            <source>1  Before</source>
            <translation>1  시작</translation>
        </message>
        <message>
            <source>2  Backward</source>
            <translation>2  역전파</translation>
        </message>
        <message>
            <source>3  Update</source>
            <translation>3  갱신</translation>
        </message>
        <message>
            <source>4  After</source>
            <translation>4  결과</translation>
        </message>
        <message>
            <source>Taking the step…</source>
            <translation>단계를 밟는 중…</translation>
        </message>
        <message>
            <source>The base's weight W stays as it is. Beside it hang A and B, whose product times %1 is added to it: ΔW = %1 · B · A. B starts at zero, so that the first step starts from the base's own answers. The row's loss is %2.</source>
            <translation>베이스의 가중치 W는 그대로 있습니다. 그 옆에 A와 B가 달려 있고, 둘의 곱에 %1을 곱해 더합니다: ΔW = %1 · B · A. B는 0에서 시작하므로 첫 단계는 베이스의 답에서 출발합니다. 이 행의 손실은 %2입니다.</translation>
        </message>
        <message>
            <source>The loss flows back and leaves a gradient for each number of A and B, and none for W. All gradients together have the norm %1.</source>
            <translation>손실이 거꾸로 흐르며 A와 B의 수마다 기울기를 남기고, W에는 남기지 않습니다. 모든 기울기의 노름은 %1입니다.</translation>
        </message>
        <message>
            <source>A's is zero, for B still is: what A changes does not come through.</source>
            <translation>B가 아직 0이라 A의 기울기도 0입니다. A가 바꾸는 것이 지나가지 못합니다.</translation>
        </message>
        <message>
            <source>They are scaled down to %1 (max_grad_norm).</source>
            <translation>%1(max_grad_norm)까지 줄입니다.</translation>
        </message>
        <message>
            <source>%1 moves A and B against their gradients by the rate %2. What it keeps of each number's gradients is its state, which stands in memory from the first step on.</source>
            <translation>%1이(가) 학습률 %2로 A와 B를 기울기 반대쪽으로 옮깁니다. 수마다 기울기에서 간직하는 것이 옵티마이저 상태이며, 첫 단계부터 메모리에 있습니다.</translation>
        </message>
        <message>
            <source>The product of the moved pair is another ΔW; the step's own part of it has the norm %1. The row's loss went from %2 to %3.</source>
            <translation>옮긴 두 행렬의 곱은 다른 ΔW가 됩니다. 그중 이 단계의 몫은 노름이 %1입니다. 이 행의 손실은 %2에서 %3(으)로 바뀌었습니다.</translation>
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
            <translation>A의 기울기</translation>
        </message>
        <message>
            <source>gradient of B</source>
            <translation>B의 기울기</translation>
        </message>
        <message>
            <source>A moves by</source>
            <translation>A의 이동</translation>
        </message>
        <message>
            <source>B moves by</source>
            <translation>B의 이동</translation>
        </message>
        <message>
            <source>ΔW before</source>
            <translation>이전 ΔW</translation>
        </message>
        <message>
            <source>ΔW of this step</source>
            <translation>이 단계의 ΔW</translation>
        </message>
        <message>
            <source>ΔW after</source>
            <translation>이후 ΔW</translation>
        </message>
        <message>
            <source>weights</source>
            <translation>가중치</translation>
        </message>
        <message>
            <source>adapter</source>
            <translation>어댑터</translation>
        </message>
        <message>
            <source>gradients</source>
            <translation>기울기</translation>
        </message>
        <message>
            <source>optimizer</source>
            <translation>옵티마이저</translation>
        </message>
        <message>
            <source>activations</source>
            <translation>활성값</translation>
        </message>
        <message>
            <source>Memory at the most while the loss flows back: %1</source>
            <translation>역전파 중 최대 메모리: %1</translation>
        </message>
        <message>
            <source>Memory at this moment: %1</source>
            <translation>이 순간의 메모리: %1</translation>
        </message>
        <message>
            <source>%1 · rank %2 · step %3</source>
            <translation>%1 · 랭크 %2 · %3단계</translation>
        </message>
        <message>
            <source>A model must be loaded first</source>
            <translation>먼저 모델을 불러와야 합니다</translation>
        </message>
        <message>
            <source>Choose data on the Data page first</source>
            <translation>먼저 데이터 페이지에서 데이터를 고르세요</translation>
        </message>
        <message>
            <source>Not now: %1</source>
            <translation>지금은 할 수 없습니다: %1</translation>
        </message>
        <message>
            <source>The base's weight W stays as it is. A and B begin with a part of it, B₀ · A₀, which is taken off what they add: ΔW = %1 · (B · A − B₀ · A₀). So the first step starts from the base's own answers here, too. The row's loss is %2.</source>
            <translation>베이스의 가중치 W는 그대로입니다. A와 B는 W의 일부인 B₀ · A₀에서 시작하고, 더할 때는 그만큼을 뺍니다: ΔW = %1 · (B · A − B₀ · A₀). 그래서 여기서도 첫 스텝은 베이스의 답에서 시작합니다. 이 행의 손실은 %2입니다.</translation>
        </message>
    </context>
    <context>
        <name>luthier::WhereChooser</name>
        <message>
            <source>Run &amp;in</source>
            <translation>실행 위치(&amp;I)</translation>
        </message>
        <message>
            <source>this window</source>
            <translation>이 창</translation>
        </message>
        <message>
            <source>a process of its own</source>
            <translation>별도의 프로세스</translation>
        </message>
        <message>
            <source>another machine (ssh)</source>
            <translation>다른 컴퓨터(ssh)</translation>
        </message>
        <message>
            <source>user@machine</source>
            <translation>사용자@컴퓨터</translation>
        </message>
        <message>
            <source>The other machine, as for ssh</source>
            <translation>다른 컴퓨터, ssh에서 쓰는 이름</translation>
        </message>
        <message>
            <source>folder there</source>
            <translation>그쪽 폴더</translation>
        </message>
        <message>
            <source>The folder there at which relative paths begin</source>
            <translation>상대 경로가 시작되는 그쪽 폴더</translation>
        </message>
        <message>
            <source>It goes on when this window is closed, and the Start page finds it again.</source>
            <translation>이 창을 닫아도 계속되며, 시작 페이지에서 다시 찾을 수 있습니다.</translation>
        </message>
        <message>
            <source>By ssh, with your keys. Model, data and run folder are paths there; the forecast above is this machine's. It goes on when this window is closed.</source>
            <translation>ssh로, 당신의 키를 씁니다. 모델, 데이터, 실행 폴더는 그쪽의 경로이고, 위의 예측은 이 컴퓨터의 것입니다. 이 창을 닫아도 계속됩니다.</translation>
        </message>
    </context>
    <context>
        <name>luthier::Workspace</name>
        <message>
            <source>in a process of its own</source>
            <translation>별도의 프로세스에서</translation>
        </message>
        <message>
            <source>on %1</source>
            <translation>%1에서</translation>
        </message>
    </context>
    <context>
        <name>luthier::CardChip</name>
        <message>
            <source>%1 of %2</source>
            <translation>%1 (목표 %2)</translation>
        </message>
    </context>
    <context>
        <name>luthier::CardPanel</name>
        <message>
            <source>Making rows and a model</source>
            <translation>데이터와 모델을 만드는 중</translation>
        </message>
        <message>
            <source>Waits for its turn</source>
            <translation>차례를 기다리는 중</translation>
        </message>
        <message>
            <source>Step %1 of %2, %3 left</source>
            <translation>%2스텝 중 %1스텝, %3 남음</translation>
        </message>
        <message>
            <source>%1 steps in %2</source>
            <translation>%1스텝, %2 걸림</translation>
        </message>
        <message>
            <source>Stopped</source>
            <translation>멈춤</translation>
        </message>
        <message>
            <source>Failed</source>
            <translation>실패</translation>
        </message>
        <message>
            <source>objective %1</source>
            <translation>목적 함수 %1</translation>
        </message>
        <message>
            <source>mask: %1</source>
            <translation>마스크: %1</translation>
        </message>
        <message>
            <source>stated: %1 in %2 minutes on two cores</source>
            <translation>목표: 코어 두 개로 %2분에 %1</translation>
        </message>
        <message>
            <source>What the model makes of these rows stands here when it has trained.</source>
            <translation>학습이 끝나면 모델이 이 행들을 어떻게 보는지 여기에 나옵니다.</translation>
        </message>
        <message>
            <source>Train the card: then the same rows stand here with what the model makes of them.</source>
            <translation>카드를 학습시키면 같은 행들이 모델의 답과 함께 여기에 나옵니다.</translation>
        </message>
        <message>
            <source>Each line is a text, each column a picture; a text&apos;s own picture is on the diagonal. The deeper, the larger the share that the model gives it.</source>
            <translation>가로줄은 글, 세로줄은 그림이고, 글의 제 그림은 대각선에 있습니다. 진할수록 모델이 그 그림에 더 큰 몫을 줍니다.</translation>
        </message>
        <message>
            <source>Texts and pictures</source>
            <translation>글과 그림</translation>
        </message>
        <message>
            <source>The model answers: %1</source>
            <translation>모델의 답: %1</translation>
        </message>
        <message>
            <source>On the left what the model sees of the picture, in the middle what it makes of it, on the right the picture.</source>
            <translation>왼쪽은 모델이 그림에서 보는 것, 가운데는 모델이 그린 것, 오른쪽은 그림입니다.</translation>
        </message>
        <message>
            <source>As it was written: %1</source>
            <translation>원래 글: %1</translation>
        </message>
        <message>
            <source>stated</source>
            <translation>목표</translation>
        </message>
        <message>
            <source>a guess</source>
            <translation>찍기</translation>
        </message>
        <message>
            <source>loss</source>
            <translation>손실</translation>
        </message>
        <message>
            <source>The batch</source>
            <translation>배치</translation>
        </message>
        <message>
            <source>What it makes of it</source>
            <translation>모델의 답</translation>
        </message>
        <message>
            <source>Curve</source>
            <translation>곡선</translation>
        </message>
        <message>
            <source>By steps</source>
            <translation>스텝에 따라</translation>
        </message>
    </context>
    <context>
        <name>luthier::LikenessWindow</name>
        <message>
            <source>By</source>
            <translation>기준</translation>
        </message>
        <message>
            <source>Rows</source>
            <translation>데이터</translation>
        </message>
        <message>
            <source>Each text stands in</source>
            <translation>글을 넣을 틀</translation>
        </message>
        <message>
            <source>Texts, one a line</source>
            <translation>글, 한 줄에 하나</translation>
        </message>
        <message>
            <source>Pictures</source>
            <translation>그림</translation>
        </message>
        <message>
            <source>Pictures (*.png *.jpg *.jpeg *.webp *.gif *.bmp)</source>
            <translation>그림 (*.png *.jpg *.jpeg *.webp *.gif *.bmp)</translation>
        </message>
        <message>
            <source>%1 · “%2”</source>
            <translation>%1 · “%2”</translation>
        </message>
        <message>
            <source>Rows of a picture and its text</source>
            <translation>그림과 글이 있는 데이터</translation>
        </message>
        <message>
            <source>Rows (*.jsonl *.json *.csv)</source>
            <translation>데이터 (*.jsonl *.json *.csv)</translation>
        </message>
        <message>
            <source>The pattern has no {}, where each text is put.</source>
            <translation>글을 넣을 자리인 {}가 틀에 없습니다.</translation>
        </message>
        <message>
            <source>Pictures and texts go through their towers…</source>
            <translation>그림과 글이 각자의 타워를 지나는 중…</translation>
        </message>
        <message>
            <source>Pictures by texts</source>
            <translation>그림과 글</translation>
        </message>
        <message>
            <source>yes</source>
            <translation>예</translation>
        </message>
        <message>
            <source>no</source>
            <translation>아니요</translation>
        </message>
        <message>
            <source>among %1: %2</source>
            <translation>%1개 안: %2</translation>
        </message>
        <message>
            <source>%1  %2 · median rank %3</source>
            <translation>%1  %2 · 중앙 순위 %3</translation>
        </message>
        <message>
            <source>Texts find their picture</source>
            <translation>글이 제 그림을 찾음</translation>
        </message>
        <message>
            <source>Pictures find a text of theirs</source>
            <translation>그림이 제 글을 찾음</translation>
        </message>
        <message>
            <source>Each cell is the probability that the pair belongs together, by itself.</source>
            <translation>칸마다 그 쌍이 서로 짝일 확률을 따로 보여 줍니다.</translation>
        </message>
        <message>
            <source>Each line of the matrix is a picture and shares one among all texts.</source>
            <translation>표의 줄마다 그림 하나이며, 모든 글에 몫 1을 나눕니다.</translation>
        </message>
        <message>
            <source>The first rows of the file; %1 more were left out.</source>
            <translation>파일의 앞쪽 행만 썼고, 나머지 %1개는 뺐습니다.</translation>
        </message>
        <message>
            <source>The base</source>
            <translation>베이스</translation>
        </message>
        <message>
            <source>A model must be loaded first</source>
            <translation>먼저 모델을 불러와야 합니다</translation>
        </message>
        <message>
            <source>Not now: %1</source>
            <translation>지금은 안 됩니다: %1</translation>
        </message>
        <message>
            <source>Choose a file of rows first</source>
            <translation>먼저 데이터 파일을 고르세요</translation>
        </message>
        <message>
            <source>Choose pictures and write texts first</source>
            <translation>먼저 그림을 고르고 글을 쓰세요</translation>
        </message>
        <message>
            <source>Pictures and texts</source>
            <translation>그림과 글</translation>
        </message>
        <message>
            <source>Rows of a file</source>
            <translation>파일의 행</translation>
        </message>
        <message>
            <source>My pictures and texts</source>
            <translation>내 그림과 글</translation>
        </message>
        <message>
            <source>What is compared</source>
            <translation>무엇을 비교할지</translation>
        </message>
        <message>
            <source>&amp;By</source>
            <translation>기준(&amp;B)</translation>
        </message>
        <message>
            <source>&amp;Rows</source>
            <translation>데이터(&amp;R)</translation>
        </message>
        <message>
            <source>&amp;Choose…</source>
            <translation>고르기(&amp;C)…</translation>
        </message>
        <message>
            <source>Choose &amp;pictures…</source>
            <translation>그림 고르기(&amp;P)…</translation>
        </message>
        <message>
            <source>Each text stands &amp;in</source>
            <translation>글을 넣을 틀(&amp;I)</translation>
        </message>
        <message>
            <source>&amp;Texts, one a line</source>
            <translation>글, 한 줄에 하나(&amp;T)</translation>
        </message>
        <message>
            <source>&amp;Measure</source>
            <translation>재기(&amp;M)</translation>
        </message>
        <message>
            <source>Picture</source>
            <translation>그림</translation>
        </message>
        <message>
            <source>Likeliest text</source>
            <translation>가장 그럴듯한 글</translation>
        </message>
        <message>
            <source>Share</source>
            <translation>몫</translation>
        </message>
        <message>
            <source>Its own</source>
            <translation>제 것</translation>
        </message>
        <message numerus="yes">
            <source>%n pictures</source>
            <translation>
                <numerusform>그림 %n장</numerusform>
            </translation>
        </message>
    </context>
    <context>
        <name>luthier::LabPage</name>
        <message>
            <source>Beside it</source>
            <translation>옆에 둘 카드</translation>
        </message>
        <message>
            <source>Steps</source>
            <translation>스텝</translation>
        </message>
        <message>
            <source>Seed</source>
            <translation>시드</translation>
        </message>
        <message>
            <source>Pictures and te&amp;xts…</source>
            <translation>그림과 글(&amp;X)…</translation>
        </message>
        <message>
            <source>How alike the loaded model of two towers finds them</source>
            <translation>불러온 두 타워 모델이 그림과 글을 얼마나 닮았다고 보는지</translation>
        </message>
        <message>
            <source>The map: how pictures and words come together, and what is learned by</source>
            <translation>지도: 그림과 글이 만나는 방식, 배우는 방식</translation>
        </message>
        <message>
            <source>Tra&amp;in both</source>
            <translation>둘 다 학습(&amp;I)</translation>
        </message>
        <message>
            <source>Tra&amp;in this card</source>
            <translation>이 카드 학습(&amp;I)</translation>
        </message>
        <message>
            <source>%1 rows each</source>
            <translation>각각 %1행</translation>
        </message>
        <message>
            <source>%1 rows</source>
            <translation>%1행</translation>
        </message>
        <message>
            <source>&amp;Beside it</source>
            <translation>옆에 둘 카드(&amp;B)</translation>
        </message>
        <message>
            <source>Nothing</source>
            <translation>없음</translation>
        </message>
        <message>
            <source>Ste&amp;ps</source>
            <translation>스텝(&amp;P)</translation>
        </message>
        <message>
            <source>Of 32 rows each; two cards see the same scenes in as many steps</source>
            <translation>한 스텝에 32행입니다. 두 카드는 같은 장면을 같은 스텝 수만큼 봅니다</translation>
        </message>
        <message>
            <source>S&amp;eed</source>
            <translation>시드(&amp;E)</translation>
        </message>
        <message>
            <source>Of scenes, weights and order: the same seed gives the same run</source>
            <translation>장면, 가중치, 순서를 정합니다. 시드가 같으면 실행도 같습니다</translation>
        </message>
        <message>
            <source>&amp;Stop</source>
            <translation>멈추기(&amp;S)</translation>
        </message>
        <message>
            <source>Scaling la&amp;ws…</source>
            <translation>스케일링 법칙(&amp;W)…</translation>
        </message>
        <message>
            <source>Small decoders of several sizes, and the law that their losses follow</source>
            <translation>여러 크기의 작은 디코더와, 그 손실이 따르는 법칙</translation>
        </message>
        <message>
            <source>&amp;Compose…</source>
            <translation>조립(&amp;C)…</translation>
        </message>
        <message>
            <source>A picture tower, a connector and a language model become one</source>
            <translation>그림 타워, 연결기, 언어 모델을 하나로 만듭니다</translation>
        </message>
        <message>
            <source>What to tr&amp;y…</source>
            <translation>무엇을 해 볼까(&amp;Y)…</translation>
        </message>
        <message>
            <source>Prompt, retrieve or train, and how, with the reasons</source>
            <translation>프롬프트, 검색, 학습 중 무엇을 어떻게 할지, 이유와 함께</translation>
        </message>
        <message>
            <source>T&amp;ools</source>
            <translation>도구(&amp;O)</translation>
        </message>
    </context>
    <context>
        <name>luthier::MaskView</name>
        <message>
            <source>Who sees whom</source>
            <translation>누가 누구를 보는가</translation>
        </message>
        <message>
            <source>%1 tokens; %2 of %3 places are seen</source>
            <translation>토큰 %1개, %3칸 중 %2칸이 보입니다</translation>
        </message>
        <message>
            <source>“%1” (%2) sees “%3” (%4)</source>
            <translation>“%1”(%2번)에서 “%3”(%4번)이 보입니다</translation>
        </message>
        <message>
            <source>“%1” (%2) does not see “%3” (%4)</source>
            <translation>“%1”(%2번)에서 “%3”(%4번)은 보이지 않습니다</translation>
        </message>
    </context>
    <context>
        <name>luthier::TokenStrip</name>
        <message>
            <source>Said: %1, as it stood there (%2)</source>
            <translation>모델의 답: %1, 원래와 같음 (%2)</translation>
        </message>
        <message>
            <source>Said: %1 (%2); there stood %3</source>
            <translation>모델의 답: %1 (%2), 원래는 %3</translation>
        </message>
        <message>
            <source>There stood %1, which is to be told</source>
            <translation>원래 %1이(가) 있던 자리로, 이것을 알아맞혀야 합니다</translation>
        </message>
        <message>
            <source>Stands for what was cut out</source>
            <translation>잘라 낸 구간을 나타냅니다</translation>
        </message>
        <message>
            <source>It is to be told from what it sees</source>
            <translation>보이는 것만으로 알아맞혀야 합니다</translation>
        </message>
        <message>
            <source>Behind it %1 is to be told</source>
            <translation>그다음에 올 %1을(를) 알아맞혀야 합니다</translation>
        </message>
        <message>
            <source>A piece of the picture</source>
            <translation>그림의 한 조각</translation>
        </message>
        <message>
            <source>Seen by the pictures&apos; tower</source>
            <translation>그림 타워가 보는 것</translation>
        </message>
        <message>
            <source>Read by the encoder</source>
            <translation>인코더가 읽는 것</translation>
        </message>
        <message>
            <source>Read by the texts&apos; tower</source>
            <translation>글 타워가 읽는 것</translation>
        </message>
        <message>
            <source>Written</source>
            <translation>쓰는 것</translation>
        </message>
    </context>
    <context>
        <name>luthier::BudgetCard</name>
        <message>
            <source>5.76e23, or 400T</source>
            <translation>5.76e23, 또는 400T</translation>
        </message>
        <message>
            <source>The law of these points</source>
            <translation>이 점들의 법칙</translation>
        </message>
        <message>
            <source>What a budget is best spent on</source>
            <translation>예산을 어디에 쓰는 것이 가장 좋은가</translation>
        </message>
        <message>
            <source>&amp;Operations</source>
            <translation>연산 수(&amp;O)</translation>
        </message>
        <message>
            <source>Operations</source>
            <translation>연산 수</translation>
        </message>
        <message>
            <source>Laws</source>
            <translation>법칙</translation>
        </message>
        <message>
            <source>Law</source>
            <translation>법칙</translation>
        </message>
        <message>
            <source>Weights</source>
            <translation>가중치</translation>
        </message>
        <message>
            <source>Tokens</source>
            <translation>토큰</translation>
        </message>
        <message>
            <source>Tokens a weight</source>
            <translation>가중치당 토큰</translation>
        </message>
        <message>
            <source>Loss</source>
            <translation>손실</translation>
        </message>
    </context>
    <context>
        <name>luthier::LawPlot</name>
        <message>
            <source>The best model of each budget</source>
            <translation>예산마다 가장 좋은 모델</translation>
        </message>
        <message>
            <source>%1 weights</source>
            <translation>가중치 %1</translation>
        </message>
        <message>
            <source>The next size, forecast</source>
            <translation>다음 크기의 예측</translation>
        </message>
        <message>
            <source>What it came to</source>
            <translation>실제 결과</translation>
        </message>
        <message>
            <source>No model falls below</source>
            <translation>어떤 모델도 이 아래로 못 내려감</translation>
        </message>
        <message>
            <source>%1 weights, %2 tokens: %3 nats a token</source>
            <translation>가중치 %1, 토큰 %2: 토큰당 %3나트</translation>
        </message>
        <message>
            <source>Forecast: %1 (%2 to %3)</source>
            <translation>예측: %1 (%2 ~ %3)</translation>
        </message>
        <message>
            <source>Forecast: %1</source>
            <translation>예측: %1</translation>
        </message>
        <message>
            <source>It came to %1</source>
            <translation>실제로는 %1</translation>
        </message>
        <message>
            <source>Operations (6 × weights × tokens)</source>
            <translation>연산 수 (6 × 가중치 × 토큰)</translation>
        </message>
        <message>
            <source>Loss, nats a token</source>
            <translation>손실, 토큰당 나트</translation>
        </message>
        <message>
            <source>Losses over operations</source>
            <translation>연산 수에 따른 손실</translation>
        </message>
    </context>
    <context>
        <name>luthier::LawsWindow</name>
        <message>
            <source>%1 could not be started. Reinstall Luthier, or put luthier-cli beside this program.</source>
            <translation>%1을(를) 시작할 수 없습니다. Luthier를 다시 설치하거나 luthier-cli를 이 프로그램 옆에 두세요.</translation>
        </message>
        <message>
            <source>A sweep&apos;s folder, or an empty one</source>
            <translation>스윕 폴더 또는 빈 폴더</translation>
        </message>
        <message>
            <source>Points: weights, tokens, loss</source>
            <translation>점: 가중치, 토큰, 손실</translation>
        </message>
        <message>
            <source>Points (*.csv *.tsv *.json *.jsonl *.parquet)</source>
            <translation>점 (*.csv *.tsv *.json *.jsonl *.parquet)</translation>
        </message>
        <message>
            <source>Small decoders are trained, the cheapest first…</source>
            <translation>작은 디코더를 값싼 것부터 학습합니다…</translation>
        </message>
        <message>
            <source>Stopped; what was trained is kept, and the same folder goes on from here.</source>
            <translation>멈췄습니다. 학습한 것은 남아 있고, 같은 폴더로 여기서부터 이어집니다.</translation>
        </message>
        <message>
            <source>The sweep ended by itself. What was trained is kept: train again to go on.</source>
            <translation>스윕이 저절로 끝났습니다. 학습한 것은 남아 있으니 다시 학습하면 이어집니다.</translation>
        </message>
        <message>
            <source>No run has ended here yet.</source>
            <translation>여기에는 아직 끝난 실행이 없습니다.</translation>
        </message>
        <message>
            <source>%1 %2 (%3 to %4)</source>
            <translation>%1 %2 (%3 ~ %4)</translation>
        </message>
        <message numerus="yes">
            <source>L = E + A / N^α + B / D^β, from %n points</source>
            <translation>
                <numerusform>L = E + A / N^α + B / D^β, 점 %n개에서</numerusform>
            </translation>
        </message>
        <message>
            <source>The best N grows as C to the power of</source>
            <translation>가장 좋은 N은 C의 거듭제곱으로 늘며, 지수는</translation>
        </message>
        <message>
            <source>The language&apos;s own floor is %1</source>
            <translation>이 언어 자체의 하한은 %1</translation>
        </message>
        <message>
            <source>%1: forecast %2</source>
            <translation>%1: 예측 %2</translation>
        </message>
        <message>
            <source> (%1 to %2)</source>
            <translation> (%1 ~ %2)</translation>
        </message>
        <message>
            <source>, it came to %1 (%2 %)</source>
            <translation>, 실제로는 %1 (%2 %)</translation>
        </message>
        <message>
            <source>A file of points is no sweep; choose a folder</source>
            <translation>점 파일은 스윕이 아닙니다. 폴더를 고르세요</translation>
        </message>
        <message>
            <source>&amp;Train the sweep</source>
            <translation>스윕 학습(&amp;T)</translation>
        </message>
        <message>
            <source>&amp;Train what lacks</source>
            <translation>남은 것 학습(&amp;T)</translation>
        </message>
        <message>
            <source>Scaling laws</source>
            <translation>스케일링 법칙</translation>
        </message>
        <message>
            <source>Losses over operations, and the law fitted to them</source>
            <translation>연산 수에 따른 손실과, 거기에 맞춘 법칙</translation>
        </message>
        <message>
            <source>S&amp;weep</source>
            <translation>스윕(&amp;W)</translation>
        </message>
        <message>
            <source>A sweep&apos;s folder, or a file of points</source>
            <translation>스윕 폴더 또는 점 파일</translation>
        </message>
        <message>
            <source>&amp;Choose…</source>
            <translation>고르기(&amp;C)…</translation>
        </message>
        <message>
            <source>&amp;Points…</source>
            <translation>점(&amp;P)…</translation>
        </message>
        <message>
            <source>A table of weights, tokens and losses that is there already</source>
            <translation>이미 있는 가중치·토큰·손실 표</translation>
        </message>
        <message>
            <source>Wi&amp;dths</source>
            <translation>너비(&amp;D)</translation>
        </message>
        <message>
            <source>Widths</source>
            <translation>너비</translation>
        </message>
        <message>
            <source>Of the decoders, in steps of 8; the next one is forecast</source>
            <translation>디코더의 너비, 8씩. 다음 너비를 예측합니다</translation>
        </message>
        <message>
            <source>T&amp;okens</source>
            <translation>토큰(&amp;O)</translation>
        </message>
        <message>
            <source>Tokens</source>
            <translation>토큰</translation>
        </message>
        <message>
            <source>That each width is trained on, from nothing</source>
            <translation>너비마다 처음부터 학습할 토큰 수</translation>
        </message>
        <message>
            <source>&amp;Minutes</source>
            <translation>분(&amp;M)</translation>
        </message>
        <message>
            <source>Minutes</source>
            <translation>분</translation>
        </message>
        <message>
            <source>Runs that would not end in them are left for another time</source>
            <translation>그 안에 끝나지 않을 실행은 다음으로 미룹니다</translation>
        </message>
        <message>
            <source>&amp;Stop</source>
            <translation>멈춤(&amp;S)</translation>
        </message>
        <message>
            <source>Runs</source>
            <translation>실행</translation>
        </message>
        <message>
            <source>Run</source>
            <translation>실행</translation>
        </message>
        <message>
            <source>Weights</source>
            <translation>가중치</translation>
        </message>
        <message>
            <source>Loss</source>
            <translation>손실</translation>
        </message>
        <message>
            <source>Seconds</source>
            <translation>초</translation>
        </message>
    </context>
    <context>
        <name>luthier::ComposeDrawing</name>
        <message>
            <source>From the picture to the next word</source>
            <translation>그림에서 다음 낱말까지</translation>
        </message>
        <message>
            <source> (trains)</source>
            <translation> (학습)</translation>
        </message>
        <message>
            <source>trains</source>
            <translation>학습</translation>
        </message>
        <message>
            <source>the next word</source>
            <translation>다음 낱말</translation>
        </message>
    </context>
    <context>
        <name>luthier::ComposeWindow</name>
        <message>
            <source>A checkpoint&apos;s folder</source>
            <translation>체크포인트 폴더</translation>
        </message>
        <message>
            <source>The checkpoint is written…</source>
            <translation>체크포인트를 쓰는 중…</translation>
        </message>
        <message>
            <source>%1 stands, and the recipe of its stages beside it.</source>
            <translation>%1에 썼고, 단계들의 레시피가 그 옆에 있습니다.</translation>
        </message>
        <message>
            <source>Stopped; nothing was written.</source>
            <translation>멈췄습니다. 아무것도 쓰지 않았습니다.</translation>
        </message>
        <message>
            <source>Compose a model</source>
            <translation>모델 조립</translation>
        </message>
        <message>
            <source>From the picture to the next word</source>
            <translation>그림에서 다음 낱말까지</translation>
        </message>
        <message>
            <source>How its paper trains it</source>
            <translation>논문이 학습하는 방법</translation>
        </message>
        <message>
            <source>Picture &amp;tower: a folder, or small</source>
            <translation>그림 타워(&amp;T): 폴더 또는 small</translation>
        </message>
        <message>
            <source>&amp;Connector</source>
            <translation>연결기(&amp;C)</translation>
        </message>
        <message>
            <source>&amp;Language model: a folder, or small</source>
            <translation>언어 모델(&amp;L): 폴더 또는 small</translation>
        </message>
        <message>
            <source>&amp;Queries</source>
            <translation>쿼리(&amp;Q)</translation>
        </message>
        <message>
            <source>A gated la&amp;yer every</source>
            <translation>게이트 층 간격(&amp;Y)</translation>
        </message>
        <message>
            <source>See&amp;d</source>
            <translation>시드(&amp;D)</translation>
        </message>
        <message>
            <source>Writ&amp;e to</source>
            <translation>쓸 곳(&amp;E)</translation>
        </message>
        <message>
            <source>as in the paper</source>
            <translation>논문대로</translation>
        </message>
        <message>
            <source>Of what is drawn: the same order gives the same bytes</source>
            <translation>새로 뽑는 것의 시드. 같은 주문은 같은 바이트를 냅니다</translation>
        </message>
        <message>
            <source>Choose…</source>
            <translation>고르기…</translation>
        </message>
        <message>
            <source>Becomes %1; without a tower; language model: %2</source>
            <translation>%1이(가) 됩니다. 타워 없음, 언어 모델: %2</translation>
        </message>
        <message>
            <source>Becomes %1; tower: %2; language model: %3</source>
            <translation>%1이(가) 됩니다. 타워: %2, 언어 모델: %3</translation>
        </message>
        <message>
            <source>&amp;Write the checkpoint</source>
            <translation>체크포인트 쓰기(&amp;W)</translation>
        </message>
        <message>
            <source>&amp;Stop</source>
            <translation>멈춤(&amp;S)</translation>
        </message>
        <message>
            <source>&amp;Open it</source>
            <translation>열기(&amp;O)</translation>
        </message>
        <message>
            <source>Open its sta&amp;ges in the form</source>
            <translation>단계를 양식에 열기(&amp;G)</translation>
        </message>
        <message>
            <source>Parts</source>
            <translation>부분</translation>
        </message>
        <message>
            <source>Stages</source>
            <translation>단계</translation>
        </message>
        <message>
            <source>Part</source>
            <translation>부분</translation>
        </message>
        <message>
            <source>Parameters</source>
            <translation>파라미터</translation>
        </message>
        <message>
            <source>Drawn</source>
            <translation>새로 뽑음</translation>
        </message>
        <message>
            <source>What</source>
            <translation>무엇</translation>
        </message>
        <message>
            <source>Picture tower</source>
            <translation>그림 타워</translation>
        </message>
        <message>
            <source>Connector</source>
            <translation>연결기</translation>
        </message>
        <message>
            <source>Language model</source>
            <translation>언어 모델</translation>
        </message>
        <message>
            <source>Queries</source>
            <translation>쿼리</translation>
        </message>
        <message>
            <source>A gated layer every</source>
            <translation>게이트 층 간격</translation>
        </message>
        <message>
            <source>Seed</source>
            <translation>시드</translation>
        </message>
        <message>
            <source>Write to</source>
            <translation>쓸 곳</translation>
        </message>
        <message>
            <source>%1 parameters; %2 (%3)</source>
            <translation>파라미터 %1개, %2 (%3)</translation>
        </message>
        <message>
            <source>A picture of %1 × %2: %3 tokens in the tower, %4 states for the language model, %5 places in the text</source>
            <translation>%1 × %2 그림: 타워의 토큰 %3개, 언어 모델에 주는 상태 %4개, 글에서 차지하는 자리 %5개</translation>
        </message>
    </context>
    <context>
        <name>luthier::AdviceWindow</name>
        <message>
            <source>Prompt the base</source>
            <translation>베이스에 프롬프트</translation>
        </message>
        <message>
            <source>Retrieve passages</source>
            <translation>글 찾아 넣기</translation>
        </message>
        <message>
            <source>Features under a small head</source>
            <translation>작은 헤드 아래의 특징</translation>
        </message>
        <message>
            <source>An adapter (PEFT)</source>
            <translation>어댑터(PEFT)</translation>
        </message>
        <message>
            <source>All weights</source>
            <translation>모든 가중치</translation>
        </message>
        <message>
            <source>%1: it cannot be done</source>
            <translation>%1: 할 수 없습니다</translation>
        </message>
        <message>
            <source>Not said, and it would count: %1</source>
            <translation>말하지 않았지만 영향을 줄 것: %1</translation>
        </message>
        <message>
            <source>What to try</source>
            <translation>무엇을 해 볼까</translation>
        </message>
        <message>
            <source>What speaks for each way, and against it</source>
            <translation>방법마다 찬성과 반대의 이유</translation>
        </message>
        <message>
            <source>&amp;What is to be learned</source>
            <translation>배울 것(&amp;W)</translation>
        </message>
        <message>
            <source>&amp;Rows with answers</source>
            <translation>답이 있는 데이터 행(&amp;R)</translation>
        </message>
        <message>
            <source>How often that &amp;changes</source>
            <translation>바뀌는 주기(&amp;C)</translation>
        </message>
        <message>
            <source>Wei&amp;ghts of the model</source>
            <translation>모델의 가중치(&amp;G)</translation>
        </message>
        <message>
            <source>&amp;Memory for training, bytes</source>
            <translation>학습에 쓸 메모리(바이트, &amp;M)</translation>
        </message>
        <message>
            <source>An answer ma&amp;y take, ms</source>
            <translation>답에 허용되는 시간(ms, &amp;Y)</translation>
        </message>
        <message>
            <source>The model takes as it &amp;is, ms</source>
            <translation>지금 모델이 걸리는 시간(ms, &amp;I)</translation>
        </message>
        <message>
            <source>&amp;Tasks of one model</source>
            <translation>한 모델이 맡을 과제 수(&amp;T)</translation>
        </message>
        <message>
            <source>not said</source>
            <translation>말하지 않음</translation>
        </message>
        <message>
            <source>Answers must &amp;name where they are from</source>
            <translation>답은 출처를 밝혀야 함(&amp;N)</translation>
        </message>
        <message>
            <source>facts</source>
            <translation>사실</translation>
        </message>
        <message>
            <source>a manner of speaking</source>
            <translation>말투</translation>
        </message>
        <message>
            <source>a format</source>
            <translation>형식</translation>
        </message>
        <message>
            <source>a skill</source>
            <translation>기술</translation>
        </message>
        <message>
            <source>classes</source>
            <translation>분류</translation>
        </message>
        <message>
            <source>search</source>
            <translation>검색</translation>
        </message>
        <message>
            <source>never</source>
            <translation>안 바뀜</translation>
        </message>
        <message>
            <source>yearly</source>
            <translation>해마다</translation>
        </message>
        <message>
            <source>monthly</source>
            <translation>달마다</translation>
        </message>
        <message>
            <source>daily</source>
            <translation>날마다</translation>
        </message>
        <message>
            <source>Way</source>
            <translation>방법</translation>
        </message>
        <message>
            <source>For or against</source>
            <translation>찬반</translation>
        </message>
        <message>
            <source>Ways</source>
            <translation>방법</translation>
        </message>
        <message>
            <source>Cheap comparisons before deciding</source>
            <translation>정하기 전의 값싼 비교</translation>
        </message>
        <message>
            <source>Comparisons</source>
            <translation>비교</translation>
        </message>
        <message>
            <source>&amp;Ask the base (Compare)</source>
            <translation>베이스에 묻기(비교, &amp;A)</translation>
        </message>
        <message>
            <source>&amp;Short runs (Methods)</source>
            <translation>짧은 실행(방법, &amp;S)</translation>
        </message>
    </context>
</TS>
