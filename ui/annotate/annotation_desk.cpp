// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/annotate/annotation_desk.h"

#include <QCheckBox>
#include <QComboBox>
#include <QGridLayout>
#include <QHBoxLayout>
#include <QLabel>
#include <QLineEdit>
#include <QListView>
#include <QPlainTextEdit>
#include <QProgressBar>
#include <QPushButton>
#include <QShortcut>
#include <QSplitter>
#include <QTextCursor>
#include <QVBoxLayout>

#include "ui/annotate/fitted_picture.h"
#include "ui/annotate/item_model.h"
#include "ui/annotate/synthesis_panel.h"
#include "ui/format.h"
#include "ui/language.h"
#include "ui/messages.h"
#include "ui/theme.h"
#include "ui/widgets/card.h"
#include "ui/widgets/quiet_view.h"

namespace luthier {

namespace {

QPushButton* button_of(QWidget* parent, const char* name) {
  auto* made = new QPushButton(parent);
  made->setObjectName(QLatin1String(name));
  made->setAutoDefault(false);
  return made;
}

QPlainTextEdit* editor_of(QWidget* parent, const char* name) {
  auto* made = new QPlainTextEdit(parent);
  made->setObjectName(QLatin1String(name));
  made->setTabChangesFocus(true);
  made->setMinimumHeight(64);
  return made;
}

}  // namespace

AnnotationDesk::AnnotationDesk(Workspace& workspace, QWidget* parent)
    : QWidget(parent),
      workspace_(workspace),
      proposals_(new Proposals(workspace, this)),
      synthesis_(new Synthesis(workspace, this)),
      model_(new ItemModel(this)) {
  auto* layout = new QVBoxLayout(this);
  layout->setContentsMargins(16, 12, 16, 12);
  layout->setSpacing(10);
  auto* head = new QHBoxLayout;
  done_ = text_label(this);
  done_->setObjectName(QStringLiteral("annotateDone"));
  progress_ = new QProgressBar(this);
  progress_->setTextVisible(false);
  progress_->setFixedHeight(8);
  use_ = button_of(this, "annotateUse");
  head->addWidget(done_);
  head->addWidget(progress_, 1);
  head->addWidget(use_);
  layout->addLayout(head);
  auto* splitter = new QSplitter(this);
  splitter->setChildrenCollapsible(false);
  list_ = new QListView(splitter);
  list_->setObjectName(QStringLiteral("annotateList"));
  list_->setUniformItemSizes(true);
  list_->setModel(model_);
  make_quiet(list_);
  splitter->addWidget(list_);
  splitter->addWidget(make_picture_side());
  splitter->addWidget(make_answer_side());
  splitter->setStretchFactor(1, 1);
  splitter->setSizes({200, 460, 400});
  layout->addWidget(splitter, 1);
  error_ = text_label(this, true);
  error_->setObjectName(QStringLiteral("annotateError"));
  set_ink(error_, Ink::Error);
  error_->hide();
  layout->addWidget(error_);

  connect(list_->selectionModel(), &QItemSelectionModel::currentChanged, this,
          [this](const QModelIndex& now) {
            if (!filling_ && now.isValid()) go_to(static_cast<std::size_t>(now.row()));
          });
  connect(use_, &QPushButton::clicked, this, [this] {
    if (annotation_) emit use_asked(path_text(annotation_->file()));
  });
  connect(proposals_, &Proposals::grew, this, &AnnotationDesk::show_proposal);
  connect(proposals_, &Proposals::ended, this, [this](std::size_t index, const QString& error) {
    show_proposal(index);
    if (!error.isEmpty()) return say(error);  // asked anew it would fail anew
    propose_ahead();
  });
  connect(proposals_, &Proposals::changed, this, &AnnotationDesk::refresh);
  follow_synthesis();
  connect(&workspace_, &Workspace::adapters_changed, this, &AnnotationDesk::follow_adapters);
  connect(&workspace_, &Workspace::model_changed, this, &AnnotationDesk::follow_adapters);
  connect(&Theme::instance(), &Theme::changed, model_, &ItemModel::retranslate);
  on_language(this, [this] { retranslate(); });
  follow_adapters();
}

void AnnotationDesk::follow_synthesis() {
  connect(panel_, &SynthesisPanel::refused, this, &AnnotationDesk::say);
  connect(panel_, &SynthesisPanel::start_asked, this, [this](const SynthesisRules& rules) {
    say({});
    proposals_->cancel();
    synthesis_->start(*annotation_, by_->currentData().toString(), rules);
    refresh();
  });
  connect(synthesis_, &Synthesis::grew, this, &AnnotationDesk::refresh);
  connect(synthesis_, &Synthesis::taken, this, [this](std::size_t index) {
    model_->refresh(index);
    if (index == index_ && !has_typed()) show_item();
  });
  connect(synthesis_, &Synthesis::ended, this, [this](const QString& error) {
    if (!error.isEmpty()) say(error);
    refresh();
  });
}

QWidget* AnnotationDesk::make_picture_side() {
  auto* side = new QWidget(this);
  auto* layout = new QVBoxLayout(side);
  layout->setContentsMargins(0, 0, 0, 0);
  image_ = new FittedPicture(side);
  image_->setObjectName(QStringLiteral("annotatePicture"));
  layout->addWidget(image_, 1);
  name_ = muted_label(side);
  name_->setAlignment(Qt::AlignCenter);
  layout->addWidget(name_);
  return side;
}

QWidget* AnnotationDesk::make_answer_side() {
  auto* side = new QWidget(this);
  auto* layout = new QVBoxLayout(side);
  layout->setContentsMargins(0, 0, 0, 0);
  layout->setSpacing(6);
  const auto label = [side](QWidget* buddy) {
    auto* made = new QLabel(side);
    made->setBuddy(buddy);
    return made;
  };
  question_ = new QLineEdit(side);
  question_->setObjectName(QStringLiteral("annotateQuestion"));
  question_label_ = label(question_);
  layout->addWidget(question_label_);
  layout->addWidget(question_);
  answer_ = editor_of(side, "annotateAnswer");
  answer_label_ = label(answer_);
  layout->addWidget(answer_label_);
  layout->addWidget(answer_, 1);
  other_ = editor_of(side, "annotateOther");
  other_label_ = label(other_);
  layout->addWidget(other_label_);
  layout->addWidget(other_, 1);
  maker_ = muted_label(side, 0.85);
  maker_->setObjectName(QStringLiteral("annotateMaker"));
  layout->addWidget(maker_);
  auto* asking = new QHBoxLayout;
  by_ = new QComboBox(side);
  by_->setObjectName(QStringLiteral("annotateBy"));
  by_->setSizeAdjustPolicy(QComboBox::AdjustToContents);
  by_label_ = label(by_);
  propose_ = button_of(side, "annotatePropose");
  asking->addWidget(by_label_);
  asking->addWidget(by_, 1);
  asking->addWidget(propose_);
  layout->addLayout(asking);
  ahead_ = new QCheckBox(side);
  ahead_->setObjectName(QStringLiteral("annotateAhead"));
  layout->addWidget(ahead_);
  auto* keys = new QGridLayout;
  keys->setSpacing(6);
  accept_ = button_of(side, "annotateAccept");
  first_ = button_of(side, "annotateFirst");
  second_ = button_of(side, "annotateSecond");
  good_ = button_of(side, "annotateGood");
  bad_ = button_of(side, "annotateBad");
  skip_ = button_of(side, "annotateSkip");
  back_ = button_of(side, "annotateBack");
  reopen_ = button_of(side, "annotateReopen");
  keys->addWidget(accept_, 0, 0, 1, 2);
  keys->addWidget(first_, 0, 0);
  keys->addWidget(second_, 0, 1);
  keys->addWidget(good_, 0, 0);
  keys->addWidget(bad_, 0, 1);
  keys->addWidget(back_, 1, 0);
  keys->addWidget(skip_, 1, 1);
  keys->addWidget(reopen_, 2, 0, 1, 2);
  layout->addLayout(keys);
  panel_ = new SynthesisPanel(*synthesis_, side);
  layout->addWidget(panel_);

  const auto does = [this](QPushButton* button, const QKeySequence& key, auto what) {
    connect(button, &QPushButton::clicked, this, what);
    button->setToolTip(key.toString(QKeySequence::NativeText));
    auto* shortcut = new QShortcut(key, this);
    connect(shortcut, &QShortcut::activated, button, [button] {
      if (button->isVisible() && button->isEnabled()) button->click();
    });
  };
  does(accept_, QKeySequence(Qt::CTRL | Qt::Key_Return), [this] { accept(true, true); });
  does(first_, QKeySequence(Qt::CTRL | Qt::Key_1), [this] { accept(true, true); });
  does(second_, QKeySequence(Qt::CTRL | Qt::Key_2), [this] { accept(false, true); });
  does(good_, QKeySequence(Qt::CTRL | Qt::Key_Up), [this] { accept(true, true); });
  does(bad_, QKeySequence(Qt::CTRL | Qt::Key_Down), [this] { accept(true, false); });
  does(skip_, QKeySequence(Qt::CTRL | Qt::Key_PageDown), [this] { skip(); });
  does(back_, QKeySequence(Qt::CTRL | Qt::Key_PageUp), [this] { back(); });
  does(reopen_, QKeySequence(Qt::CTRL | Qt::Key_Backspace), [this] { reopen(); });
  does(propose_, QKeySequence(Qt::CTRL | Qt::Key_P), [this] { propose(); });
  connect(by_, &QComboBox::activated, this, [this] {
    proposals_->choose(by_->currentData().toString());
    propose_ahead();
  });
  connect(ahead_, &QCheckBox::toggled, this, &AnnotationDesk::propose_ahead);
  connect(question_, &QLineEdit::textEdited, this, [this] { proposals_->forget(index_); });
  for (QPlainTextEdit* edit : {answer_, other_})
    connect(edit, &QPlainTextEdit::textChanged, this, [this] {
      if (!filling_) refresh();
    });
  return side;
}

void AnnotationDesk::retranslate() {
  use_->setText(tr("&Train on these rows"));
  use_->setToolTip(tr("The file becomes the training data of the recipe"));
  list_->setAccessibleName(tr("Pictures and questions"));
  image_->setAccessibleName(tr("The picture that is asked about"));
  progress_->setAccessibleName(tr("How much is done"));
  question_label_->setText(tr("Q&uestion"));
  other_label_->setText(tr("Answer &2"));
  by_label_->setText(tr("&Who proposes"));
  by_->setAccessibleName(tr("Who proposes answers"));
  propose_->setText(tr("&Propose"));
  ahead_->setText(tr("Propose as I &go"));
  ahead_->setToolTip(tr("The next picture is answered while you look at this one"));
  accept_->setText(tr("&Accept"));
  first_->setText(tr("1 is better"));
  second_->setText(tr("2 is better"));
  good_->setText(tr("Good"));
  bad_->setText(tr("Bad"));
  skip_->setText(tr("&Skip"));
  back_->setText(tr("&Back"));
  reopen_->setText(tr("Take the row &out again"));
  if (by_->count() > 0) by_->setItemText(0, tr("base"));
  model_->retranslate();
  if (annotation_) show_item();
  refresh();
}

bool AnnotationDesk::pairs() const {
  return annotation_ && annotation_->plan().kind == AnnotationKind::Pairs;
}

bool AnnotationDesk::thumbs() const {
  return annotation_ && annotation_->plan().kind == AnnotationKind::Thumbs;
}

void AnnotationDesk::show_annotation(Annotation annotation) {
  stop();
  proposals_->forget_all();
  model_->show(nullptr);
  drafts_.clear();
  empty_desk();
  annotation_ = std::make_unique<Annotation>(std::move(annotation));
  model_->show(annotation_.get());
  go_to(annotation_->next_open(annotation_->items().size() - 1).value_or(0));
}

bool AnnotationDesk::has_typed() const {
  if (!annotation_) return false;
  const Proposal* proposal = proposals_->of(index_);
  const auto typed = [&](const QPlainTextEdit* edit, const std::string& held, std::size_t place) {
    const QString text = edit->toPlainText().trimmed();
    const bool proposed = proposal && place < proposal->answers.size() &&
                          text == QString::fromStdString(proposal->answers[place]).trimmed();
    return !text.isEmpty() && !proposed && text != QString::fromStdString(held);
  };
  return typed(answer_, shown_.answer, 0) || (pairs() && typed(other_, shown_.rejected, 1)) ||
         question_->text() != QString::fromStdString(shown_.question);
}

bool AnnotationDesk::has_unsaved() const { return has_typed() || !drafts_.empty(); }

void AnnotationDesk::go_to(std::size_t index) {
  if (index != index_ && has_typed())
    drafts_[index_] = {question_->text(), answer_->toPlainText(), other_->toPlainText()};
  index_ = index;
  filling_ = true;
  list_->setCurrentIndex(model_->index(static_cast<int>(index)));
  filling_ = false;
  say({});
  show_item();
  propose_ahead();
}

void AnnotationDesk::show_item() {
  shown_ = annotation_->items()[index_];
  Draft draft{QString::fromStdString(shown_.question), QString::fromStdString(shown_.answer),
              QString::fromStdString(shown_.rejected)};
  if (const auto kept = drafts_.find(index_); kept != drafts_.end()) {
    draft = kept->second;
    drafts_.erase(kept);
  }
  filling_ = true;
  question_->setText(draft.question);
  answer_->setPlainText(draft.answer);
  other_->setPlainText(draft.other);
  filling_ = false;
  proposed_ = {};
  name_->setText(path_text(shown_.picture.filename()));
  image_->show_file(path_text(shown_.picture));
  if (shown_.state != AnnotationItem::State::Done) show_proposal(index_);
  answer_->setFocus();
  refresh();
}

/// Where a person has typed, nothing is written over; and what is, undo brings back.
void AnnotationDesk::show_proposal(std::size_t index) {
  const Proposal* proposal = proposals_->of(index);
  if (index != index_ || !proposal) return refresh();
  const auto shows = [&](QPlainTextEdit* edit, std::size_t place) {
    if (place >= proposal->answers.size()) return;
    const QString text = QString::fromStdString(proposal->answers[place]);
    if (text.isEmpty() || edit->toPlainText() != proposed_[place]) return;
    QTextCursor cursor(edit->document());
    cursor.select(QTextCursor::Document);
    cursor.insertText(text);
    proposed_[place] = edit->toPlainText();
  };
  filling_ = true;
  shows(answer_, 0);
  if (pairs()) shows(other_, 1);
  filling_ = false;
  refresh();
}

void AnnotationDesk::propose() {
  if (!annotation_) return;
  AnnotationItem item = annotation_->items()[index_];
  item.question = question_->text().toStdString();
  // Whoever asks wants what comes in the place of what stands there.
  proposed_ = {answer_->toPlainText(), other_->toPlainText()};
  say({});
  proposals_->ask(index_, item, pairs() ? 2 : 1);
}

void AnnotationDesk::propose_ahead() {
  if (!annotation_ || !ahead_->isChecked() || proposals_->asking() || !proposals_->can_ask() ||
      synthesis_->running())
    return;
  const auto wants = [this](std::size_t index) {
    return annotation_->items()[index].state == AnnotationItem::State::Open &&
           !proposals_->of(index);
  };
  if (wants(index_) && answer_->toPlainText().isEmpty()) {
    AnnotationItem item = annotation_->items()[index_];
    item.question = question_->text().toStdString();
    return proposals_->ask(index_, item, pairs() ? 2 : 1);
  }
  const auto next = annotation_->next_open(index_);
  if (next && *next != index_ && wants(*next))
    proposals_->ask(*next, annotation_->items()[*next], pairs() ? 2 : 1);
}

void AnnotationDesk::accept(bool first_is_better, bool good) {
  AnnotationItem item = annotation_->items()[index_];
  item.question = question_->text().toStdString();
  const std::string first = answer_->toPlainText().trimmed().toStdString(),
                    second = other_->toPlainText().trimmed().toStdString();
  item.answer = first_is_better ? first : second;
  item.rejected = !pairs() ? std::string() : first_is_better ? second : first;
  item.good = good;
  const Proposal* proposal = proposals_->of(index_);
  const bool stood_there = !proposed_[0].isEmpty() || !proposed_[1].isEmpty();
  if (proposal && stood_there) {
    const auto as_said = [](const std::string& text) {
      return QString::fromStdString(text).trimmed().toStdString();
    };
    item.maker = proposal->maker;
    item.maker->edited = first != as_said(proposal->answers.front()) ||
                         (pairs() && second != as_said(proposal->answers.back()));
  } else if (shown_.state == AnnotationItem::State::Done && item.maker) {
    item.maker->edited = item.maker->edited || has_typed();
  }
  if (const Status taken = annotation_->accept(index_, std::move(item)); !taken)
    return say(error_text(taken.error()));
  proposals_->forget(index_);
  model_->refresh(index_);
  empty_desk();
  next();
}

/// What stands there is done with, and no draft.
void AnnotationDesk::empty_desk() {
  filling_ = true;
  answer_->clear();
  other_->clear();
  question_->setText(QString::fromStdString(shown_.question));
  filling_ = false;
}

void AnnotationDesk::stop() {
  synthesis_->cancel();
  proposals_->cancel();
}

void AnnotationDesk::skip() {
  if (const Status done = annotation_->skip(index_); !done) return say(error_text(done.error()));
  model_->refresh(index_);
  empty_desk();
  next();
}

void AnnotationDesk::next() {
  const std::size_t one_on = (index_ + 1) % annotation_->items().size();
  go_to(annotation_->next_open(index_).value_or(one_on));
}

void AnnotationDesk::back() {
  if (index_ > 0) go_to(index_ - 1);
}

void AnnotationDesk::reopen() {
  if (const Status done = annotation_->reopen(index_); !done) return say(error_text(done.error()));
  model_->refresh(index_);
  say({});
  refresh();
}

void AnnotationDesk::follow_adapters() {
  const QString chosen = proposals_->chosen();
  by_->clear();
  by_->addItem(tr("base"), QString());
  for (const AttachedAdapter& each : workspace_.adapters()) {
    const QString name = QString::fromStdString(each.name);
    by_->addItem(name, name);
  }
  by_->setCurrentIndex(std::max(0, by_->findData(chosen)));
  refresh();
}

void AnnotationDesk::say(const QString& sentence) {
  error_->setText(sentence);
  error_->setVisible(!sentence.isEmpty());
}

void AnnotationDesk::refresh() {
  if (!annotation_) return;
  const std::size_t all = annotation_->items().size(),
                    done = annotation_->count(AnnotationItem::State::Done),
                    skipped = annotation_->count(AnnotationItem::State::Skipped);
  done_->setText(tr("%1 of %2 answered, %3 skipped").arg(done).arg(all).arg(skipped));
  progress_->setRange(0, static_cast<int>(all));
  progress_->setValue(static_cast<int>(done + skipped));
  use_->setEnabled(done > 0);
  const bool several = pairs(), judged = thumbs(), plain = !several && !judged;
  accept_->setVisible(plain);
  first_->setVisible(several), second_->setVisible(several);
  good_->setVisible(judged), bad_->setVisible(judged);
  other_->setVisible(several), other_label_->setVisible(several);
  answer_label_->setText(several ? tr("Answer &1") : tr("A&nswer"));
  answer_->setAccessibleName(several ? tr("First answer") : tr("Answer"));
  other_->setAccessibleName(tr("Second answer"));
  const bool answered = !answer_->toPlainText().trimmed().isEmpty() &&
                        (!several || !other_->toPlainText().trimmed().isEmpty());
  const bool waits = proposals_->asking() && proposals_->asked() == index_;
  for (QPushButton* each : {accept_, first_, second_, good_, bad_})
    each->setEnabled(answered && !waits);
  const auto state = annotation_->items()[index_].state;
  back_->setEnabled(index_ > 0);
  reopen_->setVisible(state != AnnotationItem::State::Open);
  propose_->setEnabled(proposals_->can_ask() && !waits && !synthesis_->running());
  propose_->setText(proposals_->of(index_) && !waits ? tr("&Propose another") : tr("&Propose"));
  QString maker;
  if (waits)
    maker = tr("The model answers…");
  else if (const Proposal* proposal = proposals_->of(index_))
    maker = proposal->whole ? tr("Proposed by the model; change what is wrong.")
                            : tr("Proposed by the model, and cut off before its end.");
  else if (shown_.state == AnnotationItem::State::Done && shown_.maker && !shown_.maker->edited)
    maker = tr("This answer is a model's.");
  else if (!workspace_.model())
    maker = tr("Load a model, and it proposes answers.");
  maker_->setText(maker);
  panel_->setVisible(plain);
  panel_->refresh(proposals_->can_ask() && done + skipped < all);
}

}  // namespace luthier
