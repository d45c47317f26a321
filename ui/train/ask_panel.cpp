// SPDX-License-Identifier: GPL-3.0-or-later
// Questions and their streaming answers, newest first.
#include "ui/train/ask_panel.h"

#include <QFileDialog>
#include <QHBoxLayout>
#include <QLineEdit>
#include <QPushButton>
#include <QTextBrowser>
#include <QToolButton>
#include <QVBoxLayout>

#include "ui/format.h"
#include "ui/language.h"
#include "ui/messages.h"
#include "ui/pictures.h"
#include "ui/theme.h"
#include "ui/widgets/quiet_view.h"

namespace luthier {

namespace {
constexpr std::size_t kMostKept = 20;
constexpr int kPictureEdge = 64;
}  // namespace

AskPanel::AskPanel(Workspace& workspace, QWidget* parent) : QWidget(parent), workspace_(workspace) {
  auto* layout = new QVBoxLayout(this);
  layout->setContentsMargins(0, 4, 0, 0);
  layout->setSpacing(6);
  auto* row = new QHBoxLayout;
  row->setSpacing(6);
  picture_ = new QToolButton(this);
  picture_->setObjectName(QStringLiteral("askPicture"));
  picture_->setFixedSize(44, 44);
  picture_->setIconSize({38, 38});
  row->addWidget(picture_);
  question_ = new QLineEdit(this);
  question_->setObjectName(QStringLiteral("askQuestion"));
  question_->setMinimumHeight(30);
  row->addWidget(question_, 1);
  row_ = new QPushButton(this);
  row_->setObjectName(QStringLiteral("askTakeRow"));
  row->addWidget(row_);
  ask_ = new QPushButton(this);
  ask_->setObjectName(QStringLiteral("askButton"));
  row->addWidget(ask_);
  layout->addLayout(row);
  answers_ = new QTextBrowser(this);
  answers_->setObjectName(QStringLiteral("askAnswers"));
  answers_->setFrameShape(QFrame::NoFrame);
  blend_in(answers_, false);
  answers_->setOpenLinks(false);
  layout->addWidget(answers_, 1);

  connect(picture_, &QToolButton::clicked, this, &AskPanel::choose_picture);
  connect(row_, &QPushButton::clicked, this, &AskPanel::take_row);
  connect(ask_, &QPushButton::clicked, this, &AskPanel::ask);
  connect(question_, &QLineEdit::returnPressed, this, &AskPanel::ask);
  connect(question_, &QLineEdit::textChanged, this, &AskPanel::refresh);
  SessionBridge& bridge = workspace_.bridge();
  connect(&bridge, &SessionBridge::state_changed, this, &AskPanel::refresh);
  connect(&workspace_, &Workspace::recipe_changed, this, &AskPanel::refresh);
  connect(&workspace_, &Workspace::faults_changed, this, &AskPanel::refresh);
  connect(&bridge, &SessionBridge::answer_updated, this, &AskPanel::update_answer);
  connect(&bridge, &SessionBridge::request_done, this, [this](const RequestDone& event) {
    const auto found = asked_.find(event.request);
    if (found == asked_.end()) return;
    found->second.done = true;
    if (event.error) found->second.error = error_text(*event.error);
    render();
  });
  connect(&bridge, &SessionBridge::rows_previewed, this, [this](const RowsPreviewed& event) {
    if (event.request != preview_ || event.rows.empty()) return;
    next_row_ = event.total_rows > 0 ? (next_row_ + 1) % event.total_rows : 0;
    for (const Message& message : event.rows.front().conversation.messages) {
      if (message.role != "user") continue;
      QString text;
      film_ = {};
      for (const ContentPart& part : message.content) {
        if (part.kind == ContentPart::Kind::Image)
          picture_path_ = path_text(part.image);
        else if (part.kind == ContentPart::Kind::Film)
          film_ = part.film, picture_path_.clear();
        else
          text += QString::fromStdString(part.text);
      }
      question_->setText(text.trimmed());
      break;
    }
    show_picture();
  });
  connect(&Theme::instance(), &Theme::changed, this, [this] {
    show_picture();
    render();
  });
  connect(&workspace_, &Workspace::model_changed, this, &AskPanel::refresh);
  on_language(this, [this] {
    picture_->setToolTip(tr("Choose a picture"));
    picture_->setAccessibleName(tr("Choose a picture"));
    question_->setAccessibleName(tr("Question"));
    row_->setText(tr("Take a row"));
    row_->setToolTip(
        tr("Picture and question of the next evaluation row (of the training data where there is "
           "none)"));
    ask_->setText(tr("As&k now"));
    ask_->setToolTip(
        tr("Answered by the base and by the adapter as it stands now; training waits one moment "
           "and goes on"));
    answers_->setPlaceholderText(
        tr("Ask while it trains or is paused: base and adapter answer here."));
    refresh();
    render();
  });
  show_picture();
  refresh();
}

void AskPanel::refresh() {
  const bool pictures = workspace_.model_has("image_folder");
  picture_->setVisible(pictures);
  question_->setPlaceholderText(pictures ? tr("Ask about the picture…") : tr("Ask…"));
  ask_->setEnabled(can_answer(workspace_.state()) && !question_->text().trimmed().isEmpty());
  // A row of the data that is shown, and of no other.
  const bool shown = !workspace_.fault_of("dataset") && !workspace_.fault_of("eval_dataset");
  row_->setEnabled(shown && !workspace_.recipe().dataset.empty() &&
                   !workspace_.recipe().model.empty());
}

void AskPanel::choose_picture() {
  const QString file = QFileDialog::getOpenFileName(
      this, tr("Choose a picture"), {},
      tr("Pictures (*.png *.jpg *.jpeg *.webp *.gif *.bmp *.tif *.tiff)"));
  if (file.isEmpty()) return;
  picture_path_ = file;
  film_ = {};
  show_picture();
}

void AskPanel::show_picture() {
  if (picture_path_.isEmpty() && film_.empty()) {
    picture_->setIcon(themed_icon(QStringLiteral("plus")));
    return;
  }
  const auto show = [this](const QImage& image, const QString&) {
    picture_->setIcon(image.isNull() ? themed_icon(QStringLiteral("warning"), colours().warning)
                                     : QIcon(QPixmap::fromImage(image)));
  };
  if (film_.empty())
    load_picture(picture_path_, kPictureEdge, this, show);
  else
    load_film(film_, 1, kPictureEdge, this, show);
}

void AskPanel::take_row() {
  Recipe recipe = workspace_.recipe();
  if (!recipe.eval_dataset.empty()) recipe.dataset = recipe.eval_dataset;
  preview_ = workspace_.session().preview_rows(recipe, next_row_, 1);
}

void AskPanel::ask() {
  if (!ask_->isEnabled()) return;
  Message message{"user", {}};
  if (!picture_path_.isEmpty() && picture_->isVisibleTo(this))
    message.content.push_back({ContentPart::Kind::Image, {}, to_path(picture_path_)});
  if (!film_.empty() && picture_->isVisibleTo(this))
    message.content.push_back(ContentPart::of_film(film_));
  message.content.push_back(
      {ContentPart::Kind::Text, question_->text().trimmed().toStdString(), {}});
  Asked asked;
  asked.question = question_->text().trimmed();
  AnswerRequest request;
  Conversation conversation;
  conversation.messages = {message};
  request.samples.push_back({conversation, "the question"});
  request.columns.push_back(std::nullopt);
  for (const std::string& name : workspace_.columns_to_ask()) request.columns.push_back(name);
  asked.columns = request.columns;
  const auto& run = workspace_.run();
  if (run && !run->ended && !run->lines.empty()) asked.step = run->lines.back().step;
  const RequestId id = workspace_.session().answer(std::move(request));
  asked_[id] = std::move(asked);
  while (asked_.size() > kMostKept) asked_.erase(asked_.begin());
  render();
}

void AskPanel::update_answer(const AnswerUpdate& event) {
  const auto found = asked_.find(event.request);
  if (found == asked_.end()) return;
  found->second.answers[event.column] = QString::fromStdString(event.text);
  render();
}

void AskPanel::render() {
  QString html;
  const QString muted = colours().muted.name();
  for (auto it = asked_.rbegin(); it != asked_.rend(); ++it) {
    const Asked& asked = it->second;
    html += QStringLiteral(
                "<p style='margin:0 0 2px 0'><b>%1</b> <span style='color:%2'>%3</span></p><table "
                "cellspacing=0 cellpadding=2>")
                .arg(asked.question.toHtmlEscaped(), muted,
                     asked.step ? tr("at step %1").arg(*asked.step) : QString());
    for (std::size_t i = 0; i < asked.columns.size(); ++i) {
      const auto answer = asked.answers.find(i);
      const QString name = !asked.columns[i] ? tr("base")
                           : *asked.columns[i] == kTrainingColumn
                               ? tr("in training")
                               : QString::fromStdString(*asked.columns[i]);
      const QString text = answer != asked.answers.end() ? answer->second.toHtmlEscaped()
                           : asked.done                  ? QStringLiteral("–")
                                                         : QStringLiteral("…");
      html += QStringLiteral("<tr><td style='color:%1; padding-right:12px'>%2</td><td>%3</td></tr>")
                  .arg(muted, name.toHtmlEscaped(), text);
    }
    html += QStringLiteral("</table>");
    if (!asked.error.isEmpty())
      html += QStringLiteral("<p style='color:%1'>%2</p>")
                  .arg(colours().error.name(), asked.error.toHtmlEscaped());
  }
  answers_->setHtml(html);
}

}  // namespace luthier
