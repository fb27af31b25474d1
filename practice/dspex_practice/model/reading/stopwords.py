"""The little English that the practice model brings along: which words are faint, and which are near in meaning.

A language model knows this from its training; here it is one page of everyday words, of no particular task.
"""

FUNCTION_WORDS = """
a about after again all also am an and any are aren't as at be because been before being but by can can't could
couldn't did didn't do does doesn't doing don't done dont down each few for from further get gets getting go got had
has hasn't have haven't having he hello help her here hers hey hi him his how i i'd i'll i'm i've id if ill im in into
is isn't it it's its ive just know let like may me might more most must my need no nor not now of off oh ok okay on
once only or other our out over own please really same say she should shouldn't so some still such tell than thank
thanks that that's the their them then there there's these they thing things this those to too under until up us very
want wants was wasn't we we're were weren't what what's when where which while who whom why will with won't would
wouldn't yes you you're your
"""

NEAR_IN_MEANING = """
pay payment paid paying purchase buy bought spend transaction checkout
charge charged bill billing billed invoice fee cost price fine penalty fare overcharge debited deducted expensive
refund reimburse reimbursement repay repaid cashback returned credited owe owed compensation
money cash amount sum euro dollar pound cent balance deposit fund coin currency
card visa mastercard amex debit credit paypal iban bank wallet voucher
account profile user username customer registration register signup activation
login log sign password passcode pin code verify verification authenticate access identity captcha
email mail message text sms letter notification call
phone mobile app screen website browser update device computer laptop tablet wifi bluetooth internet signal
cancel quit terminate unsubscribe discontinue withdraw abandon
subscription subscribe membership member plan pass renew renewal annual yearly monthly trial premium upgrade downgrade
change switch swap replace modify alter convert exchange transfer move
end finish finished stop close ended complete completed conclude conclusion
begin start started starting launch open opening
lock locked unlock unlocked bolt latch key padlock release
error fail failed failure failing fault problem issue trouble bug crash glitch frozen stuck reject rejected declined
broken break broke damage damaged crack cracked defective faulty snapped bent loose flat leak puncture mechanical repair
wheel tyre tire brake chain pedal saddle seat gear handlebar spoke engine motor battery light bell
wrong incorrect mistake mistaken unfair dispute complain complaint object disagree unrecognised twice double
lost lose losing forgot forget forgotten left missing misplaced dropped behind found
bag rucksack backpack purse suitcase luggage belonging belongings property item jacket coat scarf umbrella glasses hat
wait waiting pending delay delayed late overdue slow long ago arrive arrived received
status progress news track tracking review follow
station stop stand terminal depot platform location place site spot area zone
near nearby nearest close closest around local distance
empty vacant available availability free space slot full occupied capacity
ride riding trip journey travel drive driving commute rental rent hire tour
bike bicycle ebike cycle scooter tandem
car bus train taxi tram plane van truck vehicle
return returned give gave bring brought back
take took pick picked fetch collect borrow
send sent deliver delivery ship shipping parcel package post courier
clock timer minute hour duration running counting
day week month year today yesterday tomorrow morning evening night monday friday saturday sunday weekend
red green blue black white yellow brown grey colour
happy glad pleased great wonderful excellent good love enjoy nice perfect
sad angry upset bad terrible awful horrible poor hate disappointed annoyed worst
big large huge tall small little tiny short
fast quick quickly rapid soon urgent immediately hurry asap
hot warm cold cool rain snow sun wind weather storm
food eat meal lunch dinner breakfast restaurant cook bread fruit
drink water coffee tea juice wine beer
house home room door window kitchen apartment flat building
man woman child kid boy girl baby son daughter mother father wife husband brother sister family friend
doctor hospital nurse medicine ill sick pain hurt injury injured accident health
school university student teacher class study learn exam
job office company firm employer employee boss colleague business
police law legal court crime steal stolen theft thief fraud
safe safety danger dangerous risk careful secure security
number figure count total many several quantity
question ask answer reply explain explanation reason
picture photo image video camera film music song game
book read write page paper document form
old new recent current previous former expired
"""
